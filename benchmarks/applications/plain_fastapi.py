"""A plain FastAPI application: the same JSON from an ``async def`` and from a ``def`` route."""

import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/async")
async def read_async() -> dict[str, str]:
    """Answer on the event loop."""
    return {"hello": "world"}


@app.get("/def")
def read_def() -> dict[str, str]:
    """Answer in a worker thread, where FastAPI runs plain functions."""
    return {"hello": "world"}


@app.get("/pid")
async def read_pid() -> int:
    """Answer with the number of the process that serves the request."""
    return os.getpid()
