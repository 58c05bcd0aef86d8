"""FastAPI applications of many routes: ``flat_N`` has N itself, ``included_N`` has N in routers.

The route that is measured, ``/plain``, comes last. The others are what an API has: half of them
with a path parameter, ten to a router where they are included.
"""

from fastapi import APIRouter, FastAPI

ROUTES_OF_A_ROUTER = 10


def _answer() -> dict[str, str]:
    return {"hello": "world"}


def _answer_one(item_id: int) -> dict[str, int]:
    return {"item_id": item_id}


def _flat(count: int) -> FastAPI:
    app = FastAPI()
    for number in range(count - 1):
        if number % 2:
            app.get(f"/r{number - 1}/{{item_id}}")(_answer_one)
        else:
            app.get(f"/r{number}")(_answer)
    app.get("/plain")(_answer)
    return app


def _included(count: int) -> FastAPI:
    app = FastAPI()
    left = count - 1
    while left > 0:
        router = APIRouter()
        for number in range(min(left, ROUTES_OF_A_ROUTER)):
            if number % 2:
                router.get(f"/r{number - 1}/{{item_id}}")(_answer_one)
            else:
                router.get(f"/r{number}")(_answer)
        app.include_router(router, prefix=f"/part{left}")
        left -= ROUTES_OF_A_ROUTER
    last = APIRouter()
    last.get("/plain")(_answer)
    app.include_router(last)
    return app


def __getattr__(name: str) -> FastAPI:
    kind, _, count = name.partition("_")
    if kind not in ("flat", "included") or not count.isdecimal():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _flat(int(count)) if kind == "flat" else _included(int(count))
