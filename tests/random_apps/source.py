"""Writes an application as Python source: what both sides execute, and what a failure prints."""

from __future__ import annotations

import textwrap

from .spec import (
    Application,
    Field,
    Function,
    Handler,
    Middleware,
    Model,
    Parameter,
    Route,
    Router,
    Use,
    Validator,
)

#: What every application has. `note` is how all that runs says so: its name, what it got, whether
#: it runs in the thread of an event loop, and what the context variables hold there.
PREAMBLE = """\
import asyncio
import decimal
import functools
import uuid
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum, IntEnum
from pathlib import PurePosixPath as Path_
from typing import Annotated, Any, Literal, Optional, Union

from fastapi import (
    APIRouter, BackgroundTasks, Body, Cookie, Depends, File, Form, Header, HTTPException, Path,
    Query, Request, Response, Security, UploadFile,
)
from {package} import FastAPI
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.middleware.httpsredirect import HTTPSRedirectMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import (
    HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse,
)
from fastapi.security import (
    APIKeyCookie, APIKeyHeader, APIKeyQuery, HTTPBasic, HTTPBearer, OAuth2PasswordBearer,
    SecurityScopes,
)
from pydantic import (
    BaseModel, ConfigDict, computed_field, field_serializer, field_validator, model_validator,
)
from pydantic import Field as Field_
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Route
from typing_extensions import TypedDict

LOG = []
FAILING = set()
VARIABLES = [ContextVar(f"variable{number}", default=None) for number in range(3)]


def note(name, *values):
    where = "worker" if asyncio._get_running_loop() is None else "loop"
    held = [variable.get() for variable in VARIABLES]
    LOG.append((name, [shown(value) for value in values], where, held))


def shown(value):
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__} of {sorted(map(repr, value))}"
    if isinstance(value, Request):
        return f"{value.method} {value.url} {value.path_params} {dict(value.headers)}"
    if isinstance(value, Response):
        return f"{value.status_code} {value.raw_headers}"
    if isinstance(value, SecurityScopes):
        return f"{value.scopes} {value.scope_str}"
    if isinstance(value, UploadFile):
        return f"{value.filename} {value.content_type} {value.size} {value.file.read()}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(one)}" for key, one in value.items()) + "}"
    if type(value) in (list, tuple):
        return f"{type(value).__name__} of [" + ", ".join(map(shown, value)) + "]"
    if isinstance(value, BackgroundTasks):
        return f"{len(value.tasks)} tasks"
    return repr(value)


def make(model, values):
    return model(**values)


class Color(Enum):
    red = "red"
    green = "green"


class Level(IntEnum):
    low = 1
    high = 2


@dataclass
class Point:
    x: int
    y: int = 0


class Plain:
    def __init__(self):
        self.x = 1
        self.y = "two"


class CustomError(Exception):
    pass


class NarrowError(CustomError):
    pass


def task(name, *values):
    note(name, *values)
    if name in FAILING:
        raise ValueError(name)


def stream(name, count):
    for number in range(count):
        note(name, number)
        if name in FAILING and number == 1:
            raise ValueError(name)
        yield f"{name} {number};" * 20


async def async_stream(name, count):
    for text in stream(name, count):
        await asyncio.sleep(0)
        yield text


async def async_task(name, *values):
    await asyncio.sleep(0)
    note(name, *values)
    if name in FAILING:
        raise ValueError(name)


"""

_INJECTED = {
    "request": "request: Request",
    "response": "response: Response",
    "tasks": "tasks: BackgroundTasks",
    "scopes": "scopes: SecurityScopes",
}


def _indented(lines: list[str], by: int = 4) -> list[str]:
    return [" " * by + line if line else line for line in lines]


def _call(name: str, *arguments: str, **options: str) -> str:
    given = [*arguments, *(f"{key}={value}" for key, value in options.items())]
    return f"{name}({', '.join(given)})"


def _depends(use: Use) -> str:
    options = {} if use.cached else {"use_cache": "False"}
    if use.scope is not None and not use.scopes:
        options["scope"] = repr(use.scope)
    if use.limit is not None and not use.scopes:
        options["max_concurrency"] = str(use.limit)
    if use.scopes:
        return _call("Security", use.dependency, scopes=repr(use.scopes), **options)
    return _call("Depends", use.dependency, **options)


def _parameter(one: Parameter) -> tuple[str, bool]:
    """Return a parameter's declaration, and whether it has a default."""
    annotation = one.type.text()
    if not one.place:
        if one.default is None:
            return f"{one.name}: {annotation}", False
        return f"{one.name}: {annotation} = {one.default}", True
    if one.annotated:
        text = f"{one.name}: Annotated[{annotation}, {_call(one.place, **one.options)}]"
        return (text, False) if one.default is None else (f"{text} = {one.default}", True)
    first = () if one.default is None else (one.default,)
    return f"{one.name}: {annotation} = {_call(one.place, *first, **one.options)}", True


def _use(use: Use) -> tuple[str, bool]:
    if use.annotated:
        return f"{use.name}: Annotated[Any, {_depends(use)}]", False
    return f"{use.name}=({_depends(use)})", True


def _signature(function: Function, owner: list[str]) -> str:
    declared = [_parameter(one) for one in function.parameters]
    declared += [(_INJECTED[kind], False) for kind in function.injected]
    declared += [_use(use) for use in function.uses]
    texts = [text for text, _ in declared]
    defaults = [default for _, default in declared]
    if defaults != sorted(defaults):
        # By keyword alone: a parameter without a default may follow one with.
        texts.insert(0, "*")
    return ", ".join([*owner, *texts])


def _body(function: Function) -> list[str]:
    names = [one.name for one in function.parameters] + [use.name for use in function.uses]
    lines = [_call("note", f'"{function.name}"', *names, *function.injected)]
    lines += function.actions
    lines += [f'if "{function.name}" in FAILING:', f"    raise {function.error}"]
    return [*lines, f"return {function.result}"]


def _generator(function: Function) -> list[str]:
    name = function.name
    before = _body(function)[:-1]
    exit_name = f"{name} exit"
    return [
        *before,
        "try:",
        f"    yield {function.result}",
        "except Exception as error:",
        f'    note("{name} caught", type(error).__name__)',
        f"    {function.caught}",
        "finally:",
        f"    {_call('note', repr(exit_name), *function.injected)}",
        f"    if {exit_name!r} in FAILING:",
        f"        raise {function.error}",
    ]


def _function(function: Function) -> list[str]:
    """Return the lines that define a function, or the object that stands for it."""
    name, kind = function.name, function.kind
    returns = f" -> {function.returns}" if function.returns is not None else ""
    if kind in ("def", "async def"):
        head = f"{kind} {name}({_signature(function, [])}){returns}:"
        return [head, *_indented(_body(function)), ""]
    if kind in ("generator", "async generator"):
        start = "def" if kind == "generator" else "async def"
        head = f"{start} {name}({_signature(function, [])}):"
        return [head, *_indented(_generator(function)), ""]
    if kind == "partial":
        head = f"def _{name}({_signature(function, ['first'])}):"
        body = ['note("partial", first)', *_body(function)]
        return [head, *_indented(body), "", f'{name} = functools.partial(_{name}, "given")', ""]
    if kind == "class":
        body = _body(function)[:-1]
        body.append(f"self.value = {function.result}")
        head = f"def __init__({_signature(function, ['self'])}):"
        shown = ["def __repr__(self):", f'    return f"{name}({{shown(self.value)}})"']
        return [f"class {name}:", *_indented([head, *_indented(body), "", *shown]), ""]
    if kind in ("instance generator", "async instance generator"):
        start = "def" if kind == "instance generator" else "async def"
        head = f"{start} __call__({_signature(function, ['self'])}):"
        lines = [head, *_indented(_generator(function)), ""]
        return [f"class _{name}:", *_indented(lines), f"{name} = _{name}()", ""]
    if kind in ("instance", "async instance"):
        start = "async def" if kind == "async instance" else "def"
        head = f"{start} __call__({_signature(function, ['self'])}):"
        lines = [head, *_indented(_body(function)), ""]
        return [f"class _{name}:", *_indented(lines), f"{name} = _{name}()", ""]
    if kind == "method":
        head = f"def method({_signature(function, ['self'])}):"
        lines = [head, *_indented(_body(function)), ""]
        return [f"class _{name}:", *_indented(lines), f"{name} = _{name}().method", ""]
    # A ready-made object: a security scheme.
    return [f"{name} = {kind}", ""]


def _field(one: Field) -> str:
    text = f"{one.name}: {one.type.text()}"
    if one.options:
        options = dict(one.options)
        if one.default is not None:
            options = {"default": one.default, **options}
        return f"{text} = {_call('Field_', **options)}"
    return text if one.default is None else f"{text} = {one.default}"


def _validator(model: Model, one: Validator) -> list[str]:
    name = f"{model.name}.{one.mode}.{one.field}"
    refuse = (
        [f"if value == {one.refuses}:", '    raise ValueError("refused")']
        if one.refuses is not None
        else []
    )
    if one.mode in ("before", "after"):
        return [
            f'@field_validator("{one.field}", mode="{one.mode}")',
            "@classmethod",
            f"def {one.mode}_{one.field}(cls, value):",
            *_indented([f'note("{name}", value)', *refuse, "return value"]),
        ]
    if one.mode == "model":
        return [
            '@model_validator(mode="after")',
            "def whole(self):",
            *_indented([f'note("{name}", self)', "return self"]),
        ]
    if one.mode == "serializer":
        return [
            f'@field_serializer("{one.field}")',
            f"def serialize_{one.field}(self, value):",
            *_indented([f'note("{name}", value)', "return [str(value)]"]),
        ]
    return [
        # Not in its repr: FastAPI and pydantic show defaults when they please.
        "@computed_field(repr=False)",
        "@property",
        "def computed(self) -> str:",
        *_indented([f'note("{name}")', 'return "computed"']),
    ]


def _model(model: Model) -> list[str]:
    lines = [_field(one) for one in model.fields]
    if model.base == "dataclass":
        # Fields with a default come last.
        lines.sort(key=lambda line: " = " in line)
        return ["@dataclass", f"class {model.name}:", *_indented(lines or ["pass"]), ""]
    if model.base == "TypedDict":
        lines = [line.partition(" = ")[0] for line in lines]
        return [f"class {model.name}(TypedDict):", *_indented(lines or ["pass"]), ""]
    if model.config:
        lines.insert(0, f"model_config = {_call('ConfigDict', **model.config)}")
    for one in model.validators:
        lines += ["", *_validator(model, one)]
    return [f"class {model.name}({model.base}):", *_indented(lines or ["pass"]), ""]


def _dependencies(uses: list[Use]) -> dict[str, str]:
    if not uses:
        return {}
    return {"dependencies": f"[{', '.join(_depends(use) for use in uses)}]"}


def _route(owner: str, route: Route) -> list[str]:
    options = {**route.options, **_dependencies(route.dependencies)}
    path = repr(route.path)
    if len(route.methods) == 1 and route.methods[0] != "CONNECT":
        decorator = _call(f"@{owner}.{route.methods[0].lower()}", path, **options)
    else:
        decorator = _call(f"@{owner}.api_route", path, methods=repr(route.methods), **options)
    return [decorator, *_function(route.function)]


_ASGI_APPLICATION = """\
async def {name}(scope, receive, send):
    note("{name}", scope["path"], scope["root_path"])
    body = scope["method"].encode()
    headers = [(b"content-length", str(len(body)).encode()), (b"x-bare", b"1")]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    await send({{"type": "http.response.body", "body": body}})
"""

_STARLETTE_APPLICATION = """\
async def {name}_page(request):
    note("{name}", request.url, request.path_params)
    return PlainTextResponse("page")

{name} = Starlette(routes=[Route("/", {name}_page), Route("/page/{{x:int}}", {name}_page)])
"""


def _router(owner: str, router: Router) -> list[str]:
    """Return the lines that add to an application or router all that belongs to it."""
    routes: list[str] = []
    for route in router.routes:
        routes += _route(owner, route)
    children: list[str] = []
    for child in router.children:
        children += [f"{child.name} = APIRouter()", *_router(child.name, child)]
        options = {**child.options, **_dependencies(child.dependencies)}
        for prefix in child.prefixes:
            given = {"prefix": repr(prefix), **options} if prefix else options
            children.append(_call(f"{owner}.include_router", child.name, **given))
        children.append("")
    lines = children + routes if router.children_first else routes + children
    for mount in router.mounts:
        name = mount.router.name
        if mount.kind == "fastapi":
            lines += [f"{name} = FastAPI()", *_router(name, mount.router)]
        elif mount.kind == "starlette":
            lines += _STARLETTE_APPLICATION.format(name=name).splitlines()
        else:
            lines += _ASGI_APPLICATION.format(name=name).splitlines()
        lines += [_call(f"{owner}.mount", repr(mount.path), name), ""]
    return lines


def _handler(handler: Handler) -> list[str]:
    content = '{"handled": type(error).__name__, "text": str(error)[:80]}'
    lines = [
        f"@app.exception_handler({handler.error})",
        f"{handler.kind} {handler.name}(request, error):",
        f'    note("{handler.name}", request, type(error).__name__)',
        f"    return JSONResponse({content}, {handler.status})",
    ]
    return [*lines, ""]


CLASSES = {
    "CORS": "CORSMiddleware",
    "GZip": "GZipMiddleware",
    "TrustedHost": "TrustedHostMiddleware",
    "HTTPSRedirect": "HTTPSRedirectMiddleware",
    "Session": "SessionMiddleware",
}
"""Ready-made middleware: its kind in a `Middleware`, and its class."""

_DECORATOR_MIDDLEWARE = """\
@app.middleware("http")
async def {name}(request, call_next):
{dispatch}
"""

_BASE_MIDDLEWARE = """\
class {name}(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
{dispatch}

app.add_middleware({name})
"""

_DISPATCH = """\
note("{name} in", request)
VARIABLES[{variable}].set("{name}")
{before}
{call}
note("{name} out", response.status_code, response.raw_headers)
{after}
return response
"""

_CALL = "response = await call_next(request)"
# What a dispatch function may do beside: (before, the call, after).
DISPATCHES = {
    "plain": ("", _CALL, 'response.headers["x-{name}"] = "set"'),
    "appends": ("", _CALL, 'response.headers.append("x-{name}", "appended")'),
    "early": (
        'if "{name}" in FAILING:\n    return PlainTextResponse("early", 403)',
        _CALL,
        'response.headers["x-{name}"] = "set"',
    ),
    "fails": ("", _CALL, 'if "{name}" in FAILING:\n    raise NarrowError("{name}")'),
    "body": ('note("{name} body", await request.body())', _CALL, ""),
    "stream": (
        'note("{name} body", b"".join([piece async for piece in request.stream()]))',
        _CALL,
        "",
    ),
    "replaces": ("", _CALL, 'response = PlainTextResponse("replaced", 203)'),
    "takes": (
        "",
        _CALL,
        'content = b"".join([piece async for piece in response.body_iterator])\n'
        "response = Response(content, response.status_code, dict(response.headers))",
    ),
    "later": ("", _CALL, 'response.background = BackgroundTask(task, "{name} later")'),
    "catches": (
        "",
        "try:\n"
        "    response = await call_next(request)\n"
        "except Exception as error:\n"
        '    note("{name} caught", type(error).__name__)\n'
        '    response = PlainTextResponse("caught", 502)',
        "",
    ),
    "beside": (
        'async def beside():\n    note("{name} beside")\nrunning = asyncio.create_task(beside())',
        _CALL,
        "await running",
    ),
}


def _dispatch(one: Middleware, indent: str) -> str:
    before, call, after = DISPATCHES[one.options.get("does", "plain")]
    names = {"name": one.name, "variable": one.options.get("variable", "0")}
    parts = [part.format(**names) for part in (before, call, after)]
    text = _DISPATCH.format(before=parts[0], call=parts[1], after=parts[2], **names)
    return textwrap.indent("\n".join(line for line in text.splitlines() if line), indent)


_ASGI_MIDDLEWARE = """\
class {name}:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        note("{name} in", scope["path"])
        VARIABLES[{variable}].set("{name}")
        if {edits}:
            scope = dict(scope, headers=[*scope["headers"], (b"x-added", b"{name}")])

        async def on_send(message):
            note("{name}", message["type"], message.get("status"), len(message.get("body", b"")))
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-{name}"] = "asgi"
            await send(message)

        await self.app(scope, receive, on_send)
        note("{name} out")

app.add_middleware({name})
"""


def _middleware(one: Middleware) -> list[str]:
    if one.kind in CLASSES:
        return [_call("app.add_middleware", CLASSES[one.kind], **one.options), ""]
    if one.kind == "asgi":
        text = _ASGI_MIDDLEWARE.format(
            name=one.name,
            variable=one.options.get("variable", "0"),
            edits=one.options.get("edits", "False"),
        )
    elif one.kind == "base":
        text = _BASE_MIDDLEWARE.format(name=one.name, dispatch=_dispatch(one, " " * 8))
    else:
        text = _DECORATOR_MIDDLEWARE.format(name=one.name, dispatch=_dispatch(one, " " * 4))
    return [*text.splitlines(), ""]


def write(application: Application, package: str = "fastapi") -> str:
    """Return the source of a module whose `app` is the application.

    Args:
        application: what to write.
        package: where `FastAPI` is imported from.
    """
    lines = ["from __future__ import annotations", ""] if application.postponed else []
    lines += [PREAMBLE.replace("{package}", package), ""]
    for model in application.models:
        lines += [*_model(model), ""]
    for function in application.dependencies + application.replacements:
        lines += [*_function(function), ""]
    options = {
        **application.options,
        **_dependencies(application.router.dependencies),
    }
    lines += [_call("app = FastAPI", **options), ""]
    for handler in application.handlers:
        lines += _handler(handler)
    for one in application.middleware:
        lines += _middleware(one)
    lines += _router("app", application.router)
    return "\n".join(lines) + "\n"
