"""Mixed traffic against a running server for a long time: does it stay whole, and does it leak?"""
