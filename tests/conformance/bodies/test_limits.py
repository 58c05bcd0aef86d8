"""`max_body_size`: of the application, of routers and of routes."""

import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel

from ..requests import post, post_json


class Item(BaseModel):
    name: str


HAS_LIMITS = "max_body_size" in FastAPI.__init__.__annotations__


def limited(side, *, app_limit=None, router_limit=None, route_limit=None):
    app = side.FastAPI(max_body_size=app_limit)
    router = side.APIRouter(max_body_size=router_limit)

    @router.post("/item", max_body_size=route_limit)
    async def endpoint(item: Item):
        side.log("called")
        return item

    @router.post("/unread", max_body_size=route_limit)
    async def unread():
        side.log("called")
        return 1

    @router.post("/raw", max_body_size=route_limit)
    async def raw(request: Request):
        return len(await request.body())

    app.include_router(router)
    return app


LIMITS = {
    "application": {"app_limit": 20},
    "router": {"app_limit": 1000, "router_limit": 20},
    "route": {"app_limit": 5, "router_limit": 10, "route_limit": 20},
    "none": {},
}
if HAS_LIMITS:

    @pytest.mark.parametrize("path", ["/item", "/unread", "/raw"])
    @pytest.mark.parametrize("kind", LIMITS)
    def test_limit_of_the(conform, kind, path):
        """D67: 413 in plain text by the declared length, in JSON once the body has been read."""
        small, large = b'{"name": "a"}', b'{"name": "%s"}' % (b"a" * 30)
        conform(
            lambda side: limited(side, **LIMITS[kind]),
            post_json(path, small),
            post_json(path, large),
            post(path, [large[:10], large[10:]], "content-type: application/json", chunked=True),
            post(path, [small], "content-type: application/json", chunked=True),
            post_json(path, small),
        )
