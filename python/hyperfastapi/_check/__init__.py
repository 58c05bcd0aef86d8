"""`hyperfastapi check`: an application's answers on FastAPI's own code and on compiled routes.

`examples` makes the requests, `side` gives them to the application in a process of its own for each
side, `command` compares what came and reports it.
"""
