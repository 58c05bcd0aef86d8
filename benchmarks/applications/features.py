"""A FastAPI application with the parts that are more than parameters and JSON."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, UploadFile
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse
from fastapi.staticfiles import StaticFiles

from benchmarks.applications.files import FILES, LARGE_FILE
from benchmarks.applications.row_models import Row
from benchmarks.applications.rows import rows

app = FastAPI()
app.mount("/static", StaticFiles(directory=FILES))


async def open_session() -> AsyncIterator[dict[str, int]]:
    """What is opened before the endpoint, and closed when the answer has been sent."""
    yield {"session": 1}


def open_session_in_thread() -> Iterator[dict[str, int]]:
    """The same by a plain function, which FastAPI enters and leaves in worker threads."""
    yield {"session": 1}


@app.get("/yield")
async def read_yield(
    session: Annotated[dict[str, int], Depends(open_session)],
) -> dict[str, int]:
    """Answer with what an ``async`` dependency yields."""
    return session


@app.get("/yield-def")
async def read_yield_def(
    session: Annotated[dict[str, int], Depends(open_session_in_thread)],
) -> dict[str, int]:
    """Answer with what a ``def`` dependency yields."""
    return session


@app.post("/form")
async def sign_up(
    username: Annotated[str, Form()],
    age: Annotated[int, Form()],
    newsletter: Annotated[bool, Form()] = False,
) -> dict[str, Any]:
    """Answer with three fields of a form, converted."""
    return {"username": username, "age": age, "newsletter": newsletter}


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, int | None]:
    """Answer with the size of an uploaded file."""
    return {"size": file.size}


@app.get("/file")
async def read_file() -> FileResponse:
    """Answer with a file of 1 MB."""
    return FileResponse(LARGE_FILE)


@app.get("/events", response_class=EventSourceResponse)
async def read_events() -> AsyncIterable[dict[str, int]]:
    """Answer with 100 events."""
    for number in range(100):
        yield {"number": number}


HUNDRED = rows()[:100]
HUNDRED_MODELS = [Row.model_validate(row) for row in HUNDRED]


@app.get("/hundred-dicts")
async def read_hundred_dicts() -> list[Row]:
    """Answer with 100 items that the response model makes of dicts."""
    return HUNDRED  # type: ignore[return-value]  # FastAPI makes the models


@app.get("/hundred-models")
async def read_hundred_models() -> list[Row]:
    """Answer with 100 items that are models already."""
    return HUNDRED_MODELS
