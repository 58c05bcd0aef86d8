"""Forms: fields, files and models, limits, what is left of the body, when files are closed."""

import asyncio
import inspect
import math
from typing import Annotated, Any

import pytest
from fastapi import (
    BackgroundTasks,
    Depends,
    File,
    Form,
    HTTPException,
    Query,
    Request,
    UploadFile,
)
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile as StarletteUploadFile
from starlette.formparsers import MultiPartParser

from .requests import get, post, post_form, post_json, together

pytestmark = pytest.mark.compiled
KINDS = ["async", "sync"]
MULTIPART = "content-type: multipart/form-data; boundary=B"


def part(name: str, value: bytes, *lines: bytes, filename: str | None = None) -> bytes:
    """A part of a form; a file if it has a filename."""
    options = f'name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
    head = [b"Content-Disposition: form-data; " + options.encode(), *lines]
    return b"\r\n".join([*head, b"", value])


def multipart(*parts: bytes) -> bytes:
    """A whole form of parts."""
    return b"".join(b"--B\r\n" + each + b"\r\n" for each in parts) + b"--B--\r\n"


def post_parts(target: str, *parts: bytes, **options: Any) -> Any:
    """A request with a multipart form."""
    return post(target, multipart(*parts), MULTIPART, **options)


def described(value: Any) -> Any:
    """All that shows of a value."""
    if isinstance(value, list):
        return [described(each) for each in value]
    if hasattr(value, "filename"):
        raw = value.headers.raw
        return (value.filename, value.size, value.content_type, raw, value.file._rolled, value)
    return repr(value)


def taking(side, kind, **annotations):
    """An application with a route that notes its form."""
    app = side.FastAPI()

    def note(**got):
        side.log(*[f"{name}={described(value)}" for name, value in got.items()])

    def sync(**got):
        note(**got)

    async def asynchronous(**got):
        note(**got)

    endpoint: Any = sync if kind == "sync" else asynchronous
    parameters = []
    for name, annotation in annotations.items():
        default = inspect.Parameter.empty
        if isinstance(annotation, tuple):
            annotation, default = annotation
        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))
    endpoint.__signature__ = inspect.Signature(parameters)
    app.post("/")(endpoint)
    return app


FIELDS: dict[str, Any] = {
    "a": Annotated[str, Form()],
    "b": (Annotated[int, Form()], 3),
    "c": (Annotated[list[str], Form()], ["default"]),
    "d": (Annotated[str | None, Form(alias="d-d", min_length=2)], None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_urlencoded_fields(conform, kind):
    """D66, C42, C43: the last of a name counts, lists take all, an empty field is missing."""
    bodies = [
        b"a=1", b"", b"a=", b"a=1&a=2&b=4", b"a=1&c=&c=x&c", b"a+b=1&a=x+y%20z", b"a=%C3%A9%ff",
        b"a=\xe9", b"a=1&b=x", b"a=1&b=", b"&&a=1&", b"a=b=c;d", b"%61=1", b"a=1&d-d=x",
        b"a=1&d-d=xx", b"a=1&d=xx", b"=1", b"a=%00", b"a=" + b"x" * 100_000,
    ]  # fmt: skip
    conform(lambda side: taking(side, kind, **FIELDS), *[post_form("/", body) for body in bodies])


def test_a_form_in_pieces(conform):
    body = b"a=%C3%A9&b=7&c=x&c=y"
    parts = multipart(part("a", b"x" * 5000), part("c", b"\r\n--B\r"), part("b", b"1"))
    kind = "content-type: application/x-www-form-urlencoded"
    conform(
        lambda side: taking(side, "async", **FIELDS),
        post("/", [body[i : i + 1] for i in range(len(body))], kind, chunked=True),
        post("/", [parts[:5100], *(parts[i : i + 1] for i in range(5100, len(parts)))], MULTIPART),
        post("/", [parts[i : i + 1000] for i in range(0, 6000, 1000)], MULTIPART, chunked=True),
    )


CONTENT_TYPES = [
    "application/x-www-form-urlencoded; charset=latin-1", "Application/X-WWW-FORM-URLENCODED",
    "application/x-www-form-urlencoded;", " application/x-www-form-urlencoded ", "text/plain", "",
    "multipart/form-data", "multipart/form-data; boundary", "multipart/form-data; boundary=",
    "multipart/mixed; boundary=B", "application/json",
]  # fmt: skip


@pytest.mark.parametrize("content_type", CONTENT_TYPES, ids=lambda value: value or "empty")
def test_content_types(conform, content_type):
    """D63, D66: what is no form has no fields, and stays unread."""
    conform(
        lambda side: taking(side, "async", **FIELDS),
        post("/", b"a=1", f"content-type: {content_type}"),
        post("/", b"", f"content-type: {content_type}"),
        post_form("/", b"a=2"),
    )


def test_no_content_type(conform):
    conform(lambda side: taking(side, "async", **FIELDS), post("/", b"a=1"), post("/", b""))


BOUNDARIES = [
    "boundary=B", 'boundary="B"', "boundary=B; charset=utf-8", "charset=latin-1; boundary=B",
    "charset=utf-16; boundary=B", "charset=unknown; boundary=B", "charset=hex; boundary=B",
    "BOUNDARY=B", "boundary=C; boundary=B", 'x="a;b"; boundary=B', "boundary = B ",
    "boundary=" + "B" * 257, "boundary=C",
]  # fmt: skip


@pytest.mark.parametrize("options", BOUNDARIES, ids=lambda value: value[:30])
def test_boundaries_and_charsets(conform, options):
    """D63: what a charset cannot decode is Latin-1; a boundary may be 256 bytes long."""
    body = multipart(part("a", b"\xc3\xa9\xff"), part("\xe9", b"x"), part("b", b"2"))
    content_type = f"content-type: multipart/form-data; {options}"
    conform(lambda side: taking(side, "async", **FIELDS), post("/", body, content_type))


HEADS = [
    b'Content-Disposition: form-data; name="a"', b"content-disposition:form-data;name=a",
    b'Content-Disposition: form-data; name="a\\"b"', b"Content-Disposition: form-data",
    b"Content-Type: text/plain", b"Content-Disposition: form-data; NAME=a", b"bad header: x",
    b"Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
    b"Content-Disposition: form-data; name*=utf-8''a", b"x" * 5000 + b": y", b": x", b"a",
    b"\r\n".join(b"h%d: x" % i for i in range(9)), b"Content-Disposition: x; name=a; filename=",
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS, ids=lambda value: repr(value)[2:50])
def test_headers_of_parts(conform, head):
    """D63: a part has a name, its headers are limited, what is malformed is refused."""
    body = b"--B\r\n" + head + b"\r\n\r\n1\r\n--B--\r\n"
    conform(
        lambda side: taking(side, "async", a=(Annotated[str, Form()], "none")),
        post("/", body, MULTIPART),
        post_parts("/", part("a", b"again")),
    )


BROKEN = [
    b"", b"--B", b"--B--", b"--B\r\n", b"x--B\r\n", b"\r\n--B--", b"--C\r\n", b"--B\rx",
    multipart(part("a", b"1"))[:-6], multipart(part("a", b"1"))[:-8],
    multipart(part("a", b"1")) + b"epilogue", b"preamble\r\n" + multipart(part("a", b"1")),
    b"\r\n" + multipart(part("a", b"1")), multipart(part("a", b"1")).replace(b"\r\n", b"\n"),
    multipart(part("a", b"1"), part("b", b"2")).replace(b"\r\n--B\r\n", b"\r\n--B \t\r\n"),
    multipart(part("a", b"1"), part("b", b"2")).replace(b"\r\n--B\r\n", b"\r\n--B x\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("body", BROKEN, ids=lambda value: repr(value)[2:60] or "empty")
def test_multipart_forms_that_are_broken(conform, body):
    """D64: a form without an end is not an error."""
    conform(
        lambda side: taking(side, "sync", a=(Annotated[str, Form()], "none")),
        post("/", body, MULTIPART),
        post_parts("/", part("a", b"again")),
    )


LIMITS = {
    "many fields": [part("a", b"")] * 1001,
    "as many fields as may be": [part("a", b"1")] * 1000,
    "many files": [part("f", b"", filename="x")] * 1001,
    "a long field": [part("a", b"x" * (1024 * 1024 + 1))],
    "a field as long as may be": [part("a", b"x" * (1024 * 1024))],
}


@pytest.mark.parametrize("kind", LIMITS)
def test_limits_of_multipart_forms(conform, kind):
    """D63: the texts, and that the connection stays usable."""
    conform(
        lambda side: taking(side, "async", a=(Annotated[list[str], Form(max_length=2)], ["none"])),
        post_parts("/", *LIMITS[kind]),
        post_parts("/", part("a", b"again")),
    )


def test_limits_of_urlencoded_forms(conform):
    conform(
        lambda side: taking(side, "async", **FIELDS),
        post_form("/", b"a=1&" * 1000),
        post_form("/", b"a=1&" * 1001),
        post_form("/", b"a=" + b"x" * (1024 * 1024)),
        post_form("/", b"x" * (1024 * 1024 + 1)),
        post_form("/", b"a=1"),
    )


def test_limits_of_routes_routers_and_applications(conform):
    """D63: the route's limits before the router's before the application's; mounts inherit."""

    def add(place, **options):
        @place.post("/form", **options)
        async def endpoint(a: Annotated[list[str], Form()], f: list[UploadFile] | None = None):
            return [a, len(f or [])]

    def make(side):
        app = side.FastAPI(form_limits={"max_fields": 3})
        router = side.APIRouter(form_limits={"max_files": 1})
        inner = side.APIRouter(form_limits={"max_part_size": 2048})
        add(app)
        add(inner)
        add(router, form_limits={"max_fields": 1})
        router.include_router(inner, prefix="/inner", form_limits={"max_fields": 2})
        app.include_router(router, prefix="/router", form_limits={"max_files": 2})
        mounted = side.FastAPI()
        add(mounted)
        app.mount("/mounted", mounted)
        return app

    forms = [
        [part("a", b"1")], [part("a", b"1")] * 2, [part("a", b"1")] * 3, [part("a", b"1")] * 4,
        [part("a", b"x" * 2049)], [part("a", b"1"), *[part("f", b"1", filename="f")] * 2],
        [part("a", b"1"), *[part("f", b"1", filename="f")] * 3],
    ]  # fmt: skip
    paths = ["/form", "/router/form", "/router/inner/form", "/mounted/form"]
    conform(
        make,
        *[post_parts(path, *form) for path in paths for form in forms],
        compiled=False,
    )


@pytest.mark.parametrize("name", ["max_fields", "max_files", "max_part_size"])
@pytest.mark.parametrize("limit", [math.inf, math.nan, 1.5, -0.5])
def test_limits_that_are_no_integers(conform, name, limit):
    """D63: Starlette's parser takes them, as from middleware that puts limits into the scope."""

    def make(side):
        app = side.FastAPI()

        class Limiting:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                scope["fastapi"] = {"form_limits": {name: limit}}
                await self.app(scope, receive, send)

        app.add_middleware(Limiting)

        @app.post("/")
        async def endpoint(a: Annotated[list[str], Form()], f: list[UploadFile]):
            return [a, len(f)]

        return app

    conform(
        make,
        *[
            post_parts("/", *[part("a", b"1")] * count, *[part("f", b"1", filename="f")] * count)
            for count in (1, 2)
        ],
        post_parts("/", part("a", b"22"), part("f", b"22", filename="f")),
    )


FILES: dict[str, Any] = {
    "f": (UploadFile | None, None),
    "g": (list[UploadFile] | None, None),
    "h": (Annotated[bytes | None, File()], None),
    "i": (Annotated[list[bytes] | None, File()], None),
    "t": (Annotated[str | None, Form()], None),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", "fghi")
def test_files(conform, kind, name):
    """D65, C43: names, sizes, headers, types; an empty file without a name is missing."""
    conform(
        lambda side: taking(side, kind, **FILES),
        post_parts("/", part(name, b"content", filename="a.txt")),
        post_parts("/", part(name, b"\x00\xff\r\n", b"Content-Type: text/plain", b"X-A:  b ",
                             filename="C:\\x\\\xe9.txt")),
        post_parts("/", part(name, b"1", filename="a"), part(name, b"22", filename="b"),
                   part("t", b"text")),
        post_parts("/", part(name, b"", filename="")),
        post_parts("/", part(name, b"", filename="a")),
        post_parts("/", part(name, b"x", filename="")),
        post_parts("/", part(name, b"text")),
        post_parts("/", part("t", b"text", filename="t")),
        post_form("/", name.encode() + b"=text"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [15, 16, 17, 200_000])
def test_files_that_do_not_stay_in_memory(conform, monkeypatch, kind, size):
    """D65: beyond `spool_max_size` a file goes to disk; what is read of it is the same."""
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 16)

    def make(side):
        app = side.FastAPI()

        @app.post("/async")
        async def asynchronous(f: UploadFile, g: UploadFile, h: Annotated[bytes, File()]):
            side.log(f.size, f.file._rolled, g.size, g.file._rolled, len(h))
            side.log(repr((await f.read(4), await f.read() == b"x" * (size - 4))))
            await f.seek(0)
            side.log(f.file.tell(), g.file.tell())

        @app.post("/sync")
        def sync(f: UploadFile, g: UploadFile, h: Annotated[bytes, File()]):
            side.log(f.size, f.file._rolled, g.size, g.file._rolled, len(h))
            side.log(repr((f.file.read(4), f.file.read() == b"x" * (size - 4), g.file.read())))

        return app

    body = multipart(
        part("f", b"x" * size, filename="f"),
        part("g", b"1234", filename="g"),
        part("h", b"y" * size, filename="h"),
    )
    pieces = [body[at : at + 30_000] for at in range(0, len(body), 30_000)]
    conform(make, post(f"/{kind}", body, MULTIPART), post(f"/{kind}", pieces, MULTIPART))


LINES = b"a line\r\n-\r\n--\r\n--b\r\n--BB\r\n--B\r--B--\r\n\r-\r\r-" * 400


@pytest.mark.parametrize("size", [1, 60_000, 300_000, 1024 * 1024, 1024 * 1024 + 1, 2_000_000])
def test_files_as_large_as_stay_in_memory_and_larger_ones(conform, size):
    """D65: a file is one of its own, that can be read in parts, written to and cut."""
    content = (LINES * (size // len(LINES) + 1))[:size]

    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint(f: UploadFile, g: UploadFile):
            side.log(f.size, f.file._rolled, f.file.tell(), await f.read() == content)
            await f.seek(size // 2)
            side.log(await f.read(10), f.file.tell())
            await f.write(b"more")
            side.log(f.size, f.file._rolled)
            f.file.truncate(size // 2 + 1)
            await f.seek(0)
            side.log(await f.read() == content[: size // 2 + 1], f.file.readline())
            side.log(g.file.read(), g.file.tell(), g.file.write(b"x"), g.file.seek(0))
            side.log(g.file.read())

        return app

    body = multipart(part("f", content, filename="f"), part("g", b"small", filename="g"))
    pieces = [body[at : at + 70_001] for at in range(0, len(body), 70_001)]
    conform(make, post("/", body, MULTIPART), post("/", pieces, MULTIPART))


def test_files_whose_reading_has_been_replaced(conform, monkeypatch):
    """D65: it may wait, though the files are in memory."""
    read = StarletteUploadFile.read

    async def slow_read(self, size=-1):
        await asyncio.sleep(0.001)
        return await read(self, size)

    monkeypatch.setattr(StarletteUploadFile, "read", slow_read)
    files = [part("i", b"1", filename="a"), part("i", b"22", filename="b")]
    conform(
        lambda side: taking(side, "async", **FILES),
        post_parts("/", *files, part("h", b"3", filename="c")),
    )


def closing(side, kept):
    """Routes that keep their file, and one that tells which files are closed."""
    app = side.FastAPI()

    def keep(f: UploadFile):
        kept.append(f.file)
        return f

    @app.exception_handler(KeyError)
    async def handler(request, error):
        side.log("handler", kept[-1].closed)
        return JSONResponse("handled", 500)

    @app.post("/plain")
    async def plain(f: UploadFile = Depends(keep)):
        return f.filename

    @app.post("/background")
    async def background(tasks: BackgroundTasks, f: UploadFile = Depends(keep)):
        tasks.add_task(lambda: side.log("background", f.file.closed))

    @app.post("/stream")
    async def stream(f: UploadFile = Depends(keep)):
        def content():
            yield f.file.read()
            side.log("streamed", f.file.closed)

        return StreamingResponse(content())

    @app.post("/http")
    async def http(f: UploadFile = Depends(keep)):
        raise HTTPException(409)

    @app.post("/handled")
    def handled(f: UploadFile = Depends(keep)):
        raise KeyError("x")

    @app.post("/invalid")
    async def invalid(q: int, f: UploadFile = Depends(keep)):
        side.log("never called")

    @app.post("/request")
    async def request(request: Request, f: UploadFile = Depends(keep)):
        form = await request.form()
        side.log(form["f"] is f)
        await request.close()
        side.log(f.file.closed)

    @app.get("/closed")
    async def closed():
        return [file.closed for file in kept]

    return app


CLOSING = ["plain", "background", "stream", "http", "handled", "invalid", "request"]


@pytest.mark.parametrize("size", [10, 100], ids=["in memory", "on disk"])
@pytest.mark.parametrize("path", CLOSING)
def test_files_are_closed_when_all_is_done(conform, monkeypatch, path, size):
    """D65: after the response and its background tasks, whatever the endpoint did."""
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 16)
    conform(
        lambda side: closing(side, []),
        post_parts(f"/{path}", part("f", b"x" * size, filename="f")),
        get("/closed"),
    )


@pytest.mark.parametrize("path", ["plain", "raising", "early"])
def test_files_are_closed_after_dependencies_are_left(conform, path):
    """D65, G88: whoever has yielded can still read them."""

    def make(side):
        app = side.FastAPI()

        def yielding(f: UploadFile):
            yield f
            side.log("left", f.file.closed)

        @app.post("/plain")
        async def plain(f: UploadFile = Depends(yielding)):
            side.log("endpoint", f.file.closed)

        @app.post("/raising")
        async def raising(f: UploadFile = Depends(yielding)):
            raise HTTPException(400)

        @app.post("/early")
        async def early(f: UploadFile = Depends(yielding, scope="function")):
            side.log("endpoint", f.file.closed)

        return app

    conform(make, post_parts(f"/{path}", part("f", b"x", filename="f")))


def test_an_unhandled_error_closes_files(conform):
    def make(side):
        app = side.FastAPI()
        kept = []

        @app.post("/")
        async def endpoint(f: UploadFile):
            kept.append(f.file)
            raise ValueError("x")

        @app.get("/closed")
        async def closed():
            return [file.closed for file in kept]

        return app

    conform(make, post_parts("/", part("f", b"x", filename="f")), get("/closed"))


class Inner(BaseModel):
    name: str
    sizes: list[int] = []
    note: str | None = Field(default=None, alias="the-note")


class Strict(BaseModel):
    model_config = {"extra": "forbid"}
    name: str


class Open(BaseModel):
    model_config = {"extra": "allow"}
    name: str = "none"


class WithFile(BaseModel):
    name: str
    file: UploadFile


MODELS: dict[str, dict[str, Any]] = {
    "model": {"m": Annotated[Inner, Form()]},
    "strict": {"m": Annotated[Strict, Form()]},
    "open": {"m": Annotated[Open, Form()]},
    "with a file": {"m": Annotated[WithFile, Form()]},
    "optional": {"m": (Annotated[Inner | None, Form()], None)},
    "union": {"m": Annotated[Inner | Strict, Form()]},
    "two": {"m": Annotated[Inner, Form()], "n": (Annotated[str, Form()], "none")},
}


@pytest.mark.parametrize("kind", MODELS)
def test_models(conform, kind):
    """C52: models that stand for a form's fields."""
    bodies = [
        b"name=a", b"", b"name=a&sizes=1&sizes=2", b"name=a&sizes=x", b"name=a&the-note=x&n=y",
        b"name=a&other=1&other=2", b"name=", b"m=x", b"name=a&name=b",
    ]  # fmt: skip
    conform(
        lambda side: taking(side, "async", **MODELS[kind]),
        *[post_form("/", body) for body in bodies],
        post_parts("/", part("name", b"a"), part("file", b"x", filename="f")),
        post_json("/", {"name": "a"}),
    )


def test_the_request_has_the_form_that_parameters_have_taken(conform):
    """D69: `form()` is cached, the stream is consumed; what is no form can still be read."""

    def make(side):
        app = side.FastAPI()

        @app.post("/{how}")
        async def endpoint(how: str, request: Request, a: Annotated[str, Form()] = "none"):
            if how == "form":
                form = await request.form()
                side.log(repr(form), form is await request.form(), a)
                return form.multi_items()
            try:
                if how == "stream":
                    return repr([piece async for piece in request.stream()])
                return repr(await request.body())
            except RuntimeError as error:
                return repr(error)

        return app

    conform(
        make,
        *[post_form(f"/{how}", b"a=1&a=2&b=3") for how in ("form", "body", "stream")],
        *[post_json(f"/{how}", {"a": 1}) for how in ("form", "body", "stream")],
        post_parts("/form", part("a", b"1"), part("b", b"2")),
    )


def test_the_form_is_the_body_of_an_error(conform):
    def make(side):
        app = side.FastAPI()

        @app.exception_handler(RequestValidationError)
        async def handler(request, error):
            side.log(repr(error.body), type(error.body).__name__, repr(error.errors()))
            return JSONResponse("refused", 422)

        @app.exception_handler(HTTPException)
        async def refused(request, error):
            side.log(repr(error.detail), repr(error.__context__))
            return JSONResponse("unreadable", 400)

        @app.post("/")
        async def endpoint(a: Annotated[int, Form()], q: Annotated[int, Query()] = 1):
            return a

        return app

    conform(
        make,
        post_form("/?q=x", b"a=x&b=1"),
        post_form("/?q=x", b"a=1"),
        post_json("/", {"a": 1}),
        post_parts("/", part("b", b"1")),
        post("/", b"--C", MULTIPART),
    )


def test_the_form_is_read_before_dependencies_run(conform):
    """C49."""

    def make(side):
        app = side.FastAPI()

        async def guard(a: Annotated[str, Form()] = "none"):
            side.log("guard", a)
            if a == "refused":
                raise HTTPException(401)
            return a

        def again(value: str = Depends(guard), b: Annotated[int, Form()] = 0):
            side.log("again", value, b)
            return b

        @app.post("/")
        async def endpoint(c: Annotated[str, Form()], value: int = Depends(again)):
            side.log("endpoint", c, value)

        return app

    conform(
        make,
        post("/", b"--C", MULTIPART),
        post_form("/", b"a=refused"),
        post_form("/", b"a=1&b=x"),
        post_form("/", b"a=1&b=2&c=3"),
    )


def test_forms_at_the_same_time(conform):
    def make(side):
        app = side.FastAPI()

        @app.post("/async")
        async def asynchronous(f: UploadFile, a: Annotated[str, Form()]):
            return [a, f.size]

        @app.post("/sync")
        def sync(f: UploadFile, a: Annotated[str, Form()]):
            return [a, f.size]

        return app

    requests = [
        post_parts(path, part("a", b"%d" % i), part("f", b"x" * i * 1000, filename="f"))
        for i, path in enumerate(["/async", "/sync"] * 4)
    ]
    conform(make, together(*requests))


def test_overrides_that_change_while_the_form_was_read(conform):
    """G96: FastAPI's own function goes on with the form that there is."""

    def make(side):
        app = side.FastAPI()

        def value():
            return "real"

        def other(a: Annotated[str, Form()]):
            return f"override {a}"

        async def changing():
            app.dependency_overrides[value] = other

        @app.post("/", dependencies=[Depends(changing)])
        async def endpoint(a: Annotated[str, Form()], found: str = Depends(value)):
            return [a, found]

        return app

    conform(make, post_form("/", b"a=1"), compiled=False)
