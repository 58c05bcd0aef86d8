"""An application whose handlers say what becomes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware

from hyperfastapi.cancellation import cancel_on_disconnect, time_limit


def say(*words: object) -> None:
    # In one piece: the access log goes to the same place, from another thread.
    print(" ".join(map(str, words)) + "\n", end="", flush=True)


app = FastAPI()
SOON = 0.2
release = threading.Event()


class Item(BaseModel):
    name: str


async def wait(name: str) -> None:
    """Wait for something that does not happen."""
    say(name, "waits")
    try:
        await asyncio.Event().wait()
    except BaseException as exc:
        say(name, "sees", type(exc).__name__)
        raise


async def entered(request: Request) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as exc:
        say("dependency sees", type(exc).__name__, getattr(exc, "status_code", ""))
        await anyio.sleep(0)  # what is left is not cancelled
        raise
    finally:
        say("dependency left")


async def entered_alone() -> AsyncIterator[None]:
    try:
        yield
    except BaseException as exc:
        say("dependency sees", type(exc).__name__, getattr(exc, "status_code", ""))
        raise
    finally:
        say("dependency left")


def entered_in_thread() -> Iterator[None]:
    try:
        yield
    except BaseException as exc:
        say("thread's dependency sees", type(exc).__name__)
        raise


async def slow_dependency() -> None:
    await wait("slow dependency")


# --- The client's departure ------------------------------------------------------------------


@app.get("/cancelled")
@cancel_on_disconnect
async def cancelled(background: BackgroundTasks, left: Annotated[None, Depends(entered_alone)]):
    background.add_task(say, "in the background")
    await wait("handler")


@app.get("/cancelled-with-request")
@cancel_on_disconnect
async def cancelled_with_request(request: Request, left: Annotated[None, Depends(entered)]):
    await wait("handler")


@app.post("/cancelled-with-body")
@cancel_on_disconnect
async def cancelled_with_body(item: Item, left: Annotated[None, Depends(entered_in_thread)]):
    await wait("handler")


@app.get("/cancelled-in-dependency")
@cancel_on_disconnect
async def cancelled_in_dependency(
    left: Annotated[None, Depends(entered_alone)], slow: Annotated[None, Depends(slow_dependency)]
):
    say("never called")


@app.get("/kept")
async def kept(request: Request):
    say("handler waits")
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    say("handler goes on")


@app.get("/shielded")
@cancel_on_disconnect
async def shielded():
    say("handler waits")
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(release.wait)
        await asyncio.sleep(0)
        say("what is shielded goes on")
    await wait("handler")


@app.get("/thread")
@cancel_on_disconnect
def thread(left: Annotated[None, Depends(entered_alone)]):
    say("thread waits")
    release.wait()
    say("thread goes on")


@app.get("/release")
async def release_it():
    release.set()


@app.exception_handler(Exception)
async def unexpected(request: Request, exc: Exception):
    say("handler of exceptions sees", type(exc).__name__)
    return JSONResponse(None, 500)


# --- Time limits -----------------------------------------------------------------------------


@app.get("/late")
@time_limit(SOON)
async def late(background: BackgroundTasks, left: Annotated[None, Depends(entered_alone)]):
    background.add_task(say, "in the background")
    await wait("handler")


@app.get("/late-in-dependency")
@time_limit(SOON)
async def late_in_dependency(
    left: Annotated[None, Depends(entered)], slow: Annotated[None, Depends(slow_dependency)]
):
    say("never called")


@app.get("/late-in-thread")
@time_limit(0.05)
def late_in_thread(left: Annotated[None, Depends(entered_alone)]):
    release.wait(SOON)
    say("thread goes on")
    return "too late"


@app.get("/in-time")
@time_limit(30)
async def in_time(left: Annotated[None, Depends(entered_alone)]):
    await asyncio.sleep(0)
    return "in time"


@app.get("/own-answer")
@time_limit(SOON)
async def own_answer():
    try:
        await wait("handler")
    except asyncio.CancelledError:
        raise HTTPException(503, "gave up") from None


@app.get("/cleans-up")
@time_limit(SOON)
async def cleans_up():
    try:
        await wait("handler")
    finally:
        with anyio.CancelScope(shield=True):
            await asyncio.sleep(0)
            say("cleaned up")


@app.get("/stream")
@time_limit(SOON)
async def stream():
    async def pieces():
        yield "first"
        await asyncio.sleep(2 * SOON)
        yield "last"

    return StreamingResponse(pieces())


# --- Settings of the application, middleware, other routes --------------------------------------

bounded: Any = FastAPI()
bounded.time_limit = SOON
bounded.cancel_on_disconnect = True
router = APIRouter()


@router.get("/late")
async def by_application():
    await wait("handler")


@router.get("/unlimited")
@time_limit(None)
@cancel_on_disconnect(False)
async def unlimited(request: Request):
    await asyncio.sleep(2 * SOON)
    return "unlimited"


@time_limit(30)
@router.get("/cancelled")
async def marked_above():
    await wait("handler")


bounded.include_router(router)


class Around(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any):
        response = await call_next(request)
        say("middleware sees", response.status_code)
        return response


class Thin:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


behind: Any = FastAPI()
behind.add_middleware(Around)
behind.include_router(app.router)
thinly: Any = FastAPI()
thinly.add_middleware(Thin)
thinly.include_router(app.router)
