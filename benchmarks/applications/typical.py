"""A plain FastAPI application with a route of each kind that is measured."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

from benchmarks.applications.row_models import Row
from benchmarks.applications.rows import rows

app = FastAPI()


@app.get("/plain")
def read_plain() -> dict[str, str]:
    """Answer in a worker thread, where FastAPI runs plain functions."""
    return {"hello": "world"}


@app.get("/async")
async def read_async() -> dict[str, str]:
    """Answer on the event loop."""
    return {"hello": "world"}


@app.get("/with-query")
async def read_with_query(q: str, limit: int = 10, flag: bool = False) -> dict[str, Any]:
    """Answer with three query parameters, converted."""
    return {"q": q, "limit": limit, "flag": flag}


class Item(BaseModel):
    """What is posted."""

    name: str
    price: float
    quantity: int = 1
    tags: list[str] = []


@app.post("/post-validated")
async def create_item(item: Item) -> Item:
    """Answer with the posted model."""
    return item


def get_settings() -> dict[str, int]:
    """The lowest level of the chain."""
    return {"limit": 10}


def get_session(settings: Annotated[dict[str, int], Depends(get_settings)]) -> dict[str, int]:
    """The middle level of the chain."""
    return {"session": 1, **settings}


def get_user(session: Annotated[dict[str, int], Depends(get_session)]) -> dict[str, int]:
    """The upper level of the chain."""
    return {"user": 7, **session}


@app.get("/with-chain")
async def read_with_chain(user: Annotated[dict[str, int], Depends(get_user)]) -> dict[str, int]:
    """Answer with what three levels of plain functions have made."""
    return user


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, int]:
    """Answer with a path parameter, converted."""
    return {"item_id": item_id}


class PublicItem(BaseModel):
    """What is shown of an item."""

    name: str
    price: float


@app.get("/response-model", response_model=PublicItem)
async def read_public_item() -> Any:
    """Answer with a dict that is validated and filtered."""
    return {"name": "lamp", "price": 12.5, "cost": 3.75}


@app.get("/async-io")
async def read_async_io() -> dict[str, str]:
    """Answer after one suspension."""
    await asyncio.sleep(0)
    return {"hello": "world"}


oauth2_scheme = OAuth2PasswordBearer(tokenUrl="token")


async def get_current_user(token: Annotated[str, Depends(oauth2_scheme)]) -> dict[str, Any]:
    """The user whose token it is."""
    if token != "johndoe-token":
        raise HTTPException(401, "Invalid token", {"WWW-Authenticate": "Bearer"})
    return {"username": "johndoe", "disabled": False}


async def get_current_active_user(
    user: Annotated[dict[str, Any], Depends(get_current_user)],
) -> dict[str, Any]:
    """The user, unless disabled."""
    if user["disabled"]:
        raise HTTPException(400, "Inactive user")
    return user


@app.get("/users/me")
async def read_users_me(
    user: Annotated[dict[str, Any], Depends(get_current_active_user)],
) -> dict[str, Any]:
    """Answer with the user of a bearer token, by two dependencies."""
    return user


ROWS = rows()


@app.get("/json-out")
async def read_rows():  # type: ignore[no-untyped-def]  # an annotation would choose pydantic's JSON
    """Answer with 100 kB of plain dicts, in ``json.dumps``' way."""
    return ROWS


@app.get("/json-out-models")
async def read_row_models() -> list[Row]:
    """Answer with 100 kB of validated rows, in pydantic's way."""
    return ROWS  # type: ignore[return-value]  # FastAPI makes the models


@app.post("/json-in")
async def create_rows(sent: list[Row]) -> int:
    """Answer with the number of the posted rows."""
    return len(sent)


@app.get("/sleep-1ms")
def sleep_1ms() -> dict[str, str]:
    """Block a worker thread for a millisecond, as a query to a database does."""
    time.sleep(0.001)
    return {"hello": "world"}


@app.get("/sleep-100ms")
def sleep_100ms() -> dict[str, str]:
    """Block a worker thread for 100 milliseconds."""
    time.sleep(0.1)
    return {"hello": "world"}


@app.get("/spin-100ms")
def spin_100ms() -> dict[str, str]:
    """Compute for 100 milliseconds of this thread's own processor time, holding the GIL."""
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        sum(range(200))
    return {"hello": "world"}
