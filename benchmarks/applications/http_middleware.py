"""A FastAPI application with three HTTP middlewares of its own."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

app = FastAPI()

CallNext = Callable[[Request], Awaitable[Response]]


@app.middleware("http")
async def add_first(request: Request, call_next: CallNext) -> Response:
    """Add a header to the response."""
    response = await call_next(request)
    response.headers["x-first"] = "1"
    return response


@app.middleware("http")
async def add_second(request: Request, call_next: CallNext) -> Response:
    """Add another."""
    response = await call_next(request)
    response.headers["x-second"] = "2"
    return response


@app.middleware("http")
async def add_third(request: Request, call_next: CallNext) -> Response:
    """Add another."""
    response = await call_next(request)
    response.headers["x-third"] = "3"
    return response


@app.get("/http-middleware")
async def read_through() -> dict[str, str]:
    """Answer a small dict through all three."""
    return {"hello": "world"}
