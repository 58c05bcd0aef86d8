"""Random small applications, each run on FastAPI and on hyperfastapi: no difference may show."""
