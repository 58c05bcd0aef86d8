"""What hyperfastapi knows of the inside of FastAPI and Starlette; no other module looks there.

FastAPI's public classes carry the structures that a request is served from, but under private names
that change between releases. Everything here either finds what it knows, unchanged, or raises
`Unknown`, and the caller leaves the work to FastAPI's own code.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from copy import copy, deepcopy
from types import CodeType, FunctionType
from typing import Any, cast
from uuid import UUID

import anyio.to_thread
import fastapi
from fastapi import params, routing
from fastapi.background import BackgroundTasks
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies import utils as _dependencies
from fastapi.dependencies.models import Dependant
from fastapi.encoders import jsonable_encoder
from fastapi.exception_handlers import (
    http_exception_handler,
    request_validation_exception_handler,
)
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.security.oauth2 import SecurityScopes
from pydantic import BaseModel
from pydantic_core import PydanticUndefined, SchemaValidator, ValidationError
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import gzip
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hyperfastapi import _exit_stacks, applications

# FastAPI's own class, which install() may have put ours in the place of.
FastAPI = applications._original

# Names in them that are not public.
dependencies: Any = _dependencies
_routing: Any = routing

ModelField = Any  # fastapi._compat's, of which only attributes are read


class Unknown(Exception):
    """Something is not as this module knows it; the text says what."""


# --- The live handler of a route ---------------------------------------------------------------


def _inner_code(function: Callable[..., Any], name: str) -> CodeType | None:
    for constant in cast(FunctionType, function).__code__.co_consts:
        if isinstance(constant, CodeType) and constant.co_name == name:
            return constant
    return None


_REQUEST_RESPONSE = _inner_code(routing.request_response, "app")
_REQUEST_HANDLER = _inner_code(routing.get_request_handler, "app")


def _closure(function: FunctionType) -> dict[str, Any]:
    cells = function.__closure__ or ()
    return {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True)
    }


def handler_state(app: Any) -> dict[str, Any]:
    """Read what FastAPI's handler of a route would run with, whatever was declared.

    Args:
        app: the route's `app`, as it is called for a request.

    Returns:
        The variables of `fastapi.routing.get_request_handler`, by name.

    Raises:
        Unknown: the application or the handler in it is not FastAPI's own.
    """
    if not isinstance(app, FunctionType) or app.__code__ is not _REQUEST_RESPONSE:
        if type(app).__name__ == "RequestBodyLimitMiddleware":
            raise Unknown("it has a max_body_size")
        raise Unknown("something wraps the application of the route")
    handler = _closure(app).get("f")
    if not isinstance(handler, FunctionType) or handler.__code__ is not _REQUEST_HANDLER:
        raise Unknown("the route has a handler of its own")
    return _closure(handler)


def is_generator(call: Any) -> bool:
    """Tell whether a callable yields, as FastAPI sees it."""
    return bool(_routing._is_gen_callable(call) or _routing._is_async_gen_callable(call))


def is_coroutine(call: Any) -> bool:
    """Tell whether FastAPI awaits what a callable returns."""
    return bool(_routing._is_coroutine_callable(call))


def cache_key(dependant: Dependant) -> Any:
    """Return the key under which FastAPI caches a dependency's value within a request."""
    return dependencies._get_cache_key(dependant=dependant)


def scopes_of(dependant: Dependant) -> list[str]:
    """Return the security scopes that `SecurityScopes` would hold there."""
    return list(dependencies._get_oauth_scopes(dependant=dependant))


def overridden(dependant: Dependant, call: Any) -> Dependant:
    """Analyse what overrides a dependency, as FastAPI does for each request with overrides."""
    options = {"concurrency": limit} if (limit := concurrency_of(dependant)) is not None else {}
    try:
        use: Dependant = dependencies.get_dependant(
            path=dependant.path,
            call=call,
            name=dependant.name,
            parent_oauth_scopes=scopes_of(dependant),
            scope=dependant.scope,
            **options,
        )
    except Exception as error:
        # FastAPI raises it for each request.
        raise Unknown(f"an override cannot be analysed: {error}") from None
    return use


def concurrency_of(dependant: Dependant) -> Any:
    """Return a dependency's limit of concurrency; None: it has none, as before FastAPI 0.165."""
    return getattr(dependant, "concurrency", None)


# --- Fields ------------------------------------------------------------------------------------


def aliases_of(field: ModelField) -> list[str]:
    """Return the names under which a request may carry a field, the preferred one first."""
    return [name for _, name in dependencies._get_param_aliases(field)]


def body_aliases_of(field: ModelField) -> list[str]:
    """Return the keys under which a JSON object may carry a field."""
    return [alias for alias, _ in dependencies._get_param_aliases(field)]


def is_sequence(field: ModelField) -> bool:
    """Tell whether a field takes every occurrence of its name."""
    return bool(dependencies.field_annotation_is_sequence(field.field_info.annotation))


def is_json_field(field: ModelField) -> bool:
    """Tell whether a field's text is JSON."""
    return bool(dependencies._is_json_field(field))


def parameter_model(field: ModelField) -> type[BaseModel] | None:
    """Return the model that a group of parameters is declared by, if it is one."""
    model: type[BaseModel] | None = dependencies._get_param_model(field)
    return model


def is_embedded(fields: list[ModelField], embed: bool) -> bool:
    """Tell whether body fields are keys of one JSON object."""
    return len(fields) != 1 or embed or dependencies._should_embed_body_fields(fields)


def is_form(field: ModelField) -> bool:
    """Tell whether a body field comes from a form."""
    return isinstance(field.field_info, params.Form)


def source_of(field: ModelField) -> str:
    """Return the first part of a parameter's location in errors."""
    return str(field.field_info.in_.value)


def core_schema(field: ModelField) -> dict[str, Any]:
    """Return pydantic's schema of a field."""
    return cast("dict[str, Any]", field._type_adapter.core_schema)


def validator_of(field: ModelField) -> Callable[..., Any]:
    """Return what validates a field's value: `(value, *, from_attributes)`."""
    adapter = field._type_adapter
    if type(adapter.validator) is SchemaValidator:
        return cast("Callable[..., Any]", adapter.validator.validate_python)
    return cast("Callable[..., Any]", adapter.validate_python)


def json_validator_of(field: ModelField) -> Callable[[bytes], Any] | None:
    """Return what validates a field from JSON bytes; None when pydantic is extended by plug-ins."""
    validator = field._type_adapter.validator
    return validator.validate_json if type(validator) is SchemaValidator else None


def serializer_of(field: ModelField) -> Callable[..., bytes]:
    """Return what makes JSON of a field's value."""
    return cast("Callable[..., bytes]", field._type_adapter.serializer.to_json)


def constant_default(field: ModelField) -> tuple[bool, Any]:
    """Return whether a default is one object for all requests, and that object."""
    info = field.field_info
    if info.default_factory is not None or info.default is PydanticUndefined:
        return False, None
    is_constant = type(info.default) in (type(None), bool, int, float, str, bytes)
    return is_constant, info.default if is_constant else None


# --- The routes --------------------------------------------------------------------------------


class EffectiveRoute:
    """One route as the router's scan meets it, perhaps by way of an included router.

    Attributes:
        route: the route that was declared.
        context: what inclusion has made of it; None for a route of the router itself.
        included_by: the innermost inclusion, or None.
        follows_inclusion: FastAPI's scan has passed an included router before this route.
    """

    __slots__ = ("context", "follows_inclusion", "included_by", "route")

    def __init__(
        self, route: BaseRoute, context: Any, included_by: Any, *, follows_inclusion: bool
    ) -> None:
        self.route = route
        self.context = context
        self.included_by = included_by
        self.follows_inclusion = follows_inclusion

    @property
    def effective(self) -> Any:
        """What has the path, methods and endpoint that count."""
        return self.context if self.context is not None else self.route

    @property
    def is_api_route(self) -> bool:
        """Whether FastAPI's own route class decides on matching and handling."""
        kind = type(self.route)
        return (
            isinstance(self.route, routing.APIRoute)
            and kind.matches is routing.APIRoute.matches
            and kind.handle is routing.APIRoute.handle
            and "matches" not in vars(self.route)
            and "handle" not in vars(self.route)
        )


_Included = getattr(routing, "_IncludedRouter", ())


def _from_inclusion(inclusion: Any) -> Iterator[EffectiveRoute]:
    if has_own_routing(inclusion.original_router):
        yield EffectiveRoute(inclusion, None, inclusion, follows_inclusion=True)
        return
    for candidate in inclusion.effective_candidates():
        if isinstance(candidate, _Included):
            yield from _from_inclusion(candidate)
        elif isinstance(candidate.original_route, routing.APIRoute):
            yield EffectiveRoute(
                candidate.original_route, candidate, inclusion, follows_inclusion=True
            )
        else:
            route = candidate.starlette_route or candidate.original_route
            yield EffectiveRoute(route, None, inclusion, follows_inclusion=True)


def effective_routes(router: routing.APIRouter) -> Iterator[EffectiveRoute]:
    """Walk a router's routes in the order of its scan, included routers unfolded."""
    follows = False
    for route in router.routes:
        if isinstance(route, _Included):
            follows = True
            yield from _from_inclusion(route)
        else:
            yield EffectiveRoute(route, None, None, follows_inclusion=follows)


def routers_of(router: routing.APIRouter) -> list[routing.APIRouter]:
    """Return a router and all that are included in it, each once."""
    found: list[routing.APIRouter] = []
    waiting = [router]
    while waiting:
        current = waiting.pop()
        if any(each is current for each in found):
            continue
        found.append(current)
        waiting.extend(
            route.original_router for route in current.routes if isinstance(route, _Included)
        )
    return found


def is_exact(route: BaseRoute, kind: type[BaseRoute]) -> bool:
    """Tell whether a route matches as Starlette's class does."""
    return isinstance(route, kind) and type(route).matches is kind.matches


def is_mount(route: BaseRoute) -> bool:
    """Tell whether a route is a plain mount."""
    return is_exact(route, Mount)


def is_plain_route(route: BaseRoute) -> bool:
    """Tell whether a route is Starlette's own, with a path and methods."""
    return is_exact(route, Route)


def is_websocket_route(route: BaseRoute) -> bool:
    """Tell whether a route never matches an HTTP request."""
    if type(route) is WebSocketRoute:
        return True
    return type(route) is routing.APIWebSocketRoute


def is_host(route: BaseRoute) -> bool:
    """Tell whether a route selects by the Host header."""
    return isinstance(route, Host)


def kind_of(route: BaseRoute) -> str:
    """Say what a route that is not FastAPI's own is."""
    if is_mount(route):
        return "the application that is mounted there answers"
    if is_plain_route(route):
        return "it is a route of Starlette's"
    return f"{type(route).__name__} matches or answers in a way of its own"


def has_own_routing(router: routing.APIRouter) -> bool:
    """Tell whether a router is searched in another way than FastAPI's."""
    kind = type(router)
    known = routing.APIRouter
    names = ("app", "matches", "handle", "__call__")
    return any(getattr(kind, name) is not getattr(known, name) for name in names) or any(
        name in vars(router) for name in ("app", "matches", "handle")
    )


# --- The application ---------------------------------------------------------------------------


def is_fastapi(app: Any) -> bool:
    """Tell whether an ASGI application is a FastAPI instance."""
    return isinstance(app, FastAPI)


# What a plan does in the place of these; a tool that has wrapped one wants to see its calls.
_REPLACED = (
    (routing, "solve_dependencies"),
    (routing, "run_endpoint_function"),
    (routing, "serialize_response"),
    (routing, "jsonable_encoder"),
    (routing, "run_in_threadpool"),
    (dependencies, "solve_dependencies"),
    (dependencies, "_solve_generator"),
    (dependencies, "request_params_to_args"),
    (dependencies, "request_body_to_args"),
    (dependencies, "run_in_threadpool"),
    (JSONResponse, "render"),
    (Response, "__call__"),
)
_ORIGINALS = tuple(getattr(owner, name) for owner, name in _REPLACED)


def check_replaced() -> None:
    """Raise `Unknown` if a function of FastAPI's that plans stand for has been wrapped."""
    for (owner, name), original in zip(_REPLACED, _ORIGINALS, strict=True):
        current = getattr(owner, name)
        if current is not original or hasattr(current, "__wrapped__"):
            raise Unknown(f"something has replaced {name}()")


BODY_GUARD = (json, "loads", json.loads)
"""What decodes bodies in FastAPI's handler, looked up for each request."""


# What this module has been read from and tested with.
_OLDEST, _NEWEST = (0, 162), (0, 165)


@functools.cache
def check_versions() -> str | None:
    """Say, and warn once, if FastAPI is of a release that this module does not know."""
    version = tuple(int(part) for part in fastapi.__version__.split(".")[:2])
    if _OLDEST <= version <= _NEWEST:
        return None
    problem = f"FastAPI {fastapi.__version__} is not known to this release of hyperfastapi"
    warnings.warn(
        f"{problem}: routes are not compiled, FastAPI's own code serves them; known are"
        f" {_OLDEST[0]}.{_OLDEST[1]} to {_NEWEST[0]}.{_NEWEST[1]}",
        RuntimeWarning,
        stacklevel=2,
    )
    return problem


def check_application(app: FastAPI) -> None:
    """Raise `Unknown` if something decides over requests that this module does not know."""
    problem = check_versions()
    if problem is not None:
        raise Unknown(problem)
    check_replaced()
    if app.debug:
        raise Unknown("debug is on: its pages show how the application was called")
    if getattr(app, "max_body_size", None) is not None:
        raise Unknown("the application has a max_body_size")
    if telemetry_is_on(app):
        raise Unknown("OpenTelemetry has a provider")
    if has_own_routing(app.router):
        raise Unknown("the router is searched in a way of its own")


def chain_of(stack: Any) -> list[Any]:
    """Return the middleware of a built stack, outermost first, and what they wrap."""
    chain: list[Any] = []
    while stack is not None and not any(each is stack for each in chain):
        chain.append(stack)
        stack = getattr(stack, "app", None)
        if isinstance(stack, FunctionType) or callable(stack) is False:
            break
    return chain


_OUTERMOST = ("ServerErrorMiddleware", "ExceptionTelemetryMiddleware", "AppBodyLimitMiddleware")


def user_middleware(app: FastAPI) -> list[Any]:
    """Return the middleware of a built stack that is not FastAPI's own, outermost first."""
    chain = chain_of(app.middleware_stack)
    found: list[Any] = []
    for each in chain:
        if isinstance(each, ExceptionMiddleware):
            return found
        kind = type(each)
        is_own = kind.__name__ in _OUTERMOST and (
            kind is ServerErrorMiddleware or kind.__module__.startswith("fastapi.")
        )
        if not is_own:
            found.append(each)
    raise Unknown("a middleware hides the application that it wraps")


def own_middleware(app: FastAPI) -> list[Any]:
    """Return FastAPI's own middleware outside of the user's, outermost first."""
    users = user_middleware(app)
    found: list[Any] = []
    for each in chain_of(app.middleware_stack):
        if isinstance(each, ExceptionMiddleware):
            break
        if not any(each is user for user in users):
            found.append(each)
    return found


def exception_middleware(stack: Any) -> ExceptionMiddleware | None:
    """Find Starlette's exception middleware in a built stack."""
    for each in chain_of(stack):
        if isinstance(each, ExceptionMiddleware):
            return each
    return None


def has_own_stack(app: FastAPI) -> bool:
    """Tell whether a stack is built in another way than FastAPI's."""
    return "build_middleware_stack" in vars(app) or "__call__" in vars(app)


def is_called_as_fastapi(app: FastAPI) -> bool:
    """Tell whether calling an application does what FastAPI does, and nothing else."""
    return type(app).__call__ is FastAPI.__call__


def telemetry_is_on(app: FastAPI) -> bool:
    """Tell whether FastAPI's telemetry has a provider to report to."""
    telemetry = getattr(app, "_native_telemetry", None)
    return telemetry is not None and bool(telemetry.enabled())


def telemetry_guards(app: FastAPI) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what stays as it is while FastAPI's telemetry has no provider to report to.

    Raises:
        Unknown: this release of OpenTelemetry keeps its providers elsewhere.
    """
    if getattr(app, "_native_telemetry", None) is None:
        return []
    from opentelemetry import trace
    from opentelemetry._logs import _internal as logs
    from opentelemetry.metrics import _internal as metrics

    guards: list[tuple[dict[str, Any], str, Any]] = []
    for module, name in (
        (trace, "_TRACER_PROVIDER"),
        (metrics, "_METER_PROVIDER"),
        (logs, "_LOGGER_PROVIDER"),
    ):
        if name not in vars(module):
            raise Unknown("this release of OpenTelemetry keeps its providers elsewhere")
        guards.append((vars(module), name, vars(module)[name]))
    return guards


# --- Middleware that is native -----------------------------------------------------------------

Stage = tuple[str, tuple[Any, ...]]
"""What the core does in a middleware's place: its name and configuration; see glue/*_stage.h."""

_STAGE_METHODS = (
    (CORSMiddleware, "__call__"),
    (CORSMiddleware, "send"),
    (CORSMiddleware, "simple_response"),
    (CORSMiddleware, "is_allowed_origin"),
    (CORSMiddleware, "allow_explicit_origin"),
    (GZipMiddleware, "__call__"),
    (gzip.IdentityResponder, "__call__"),
    (gzip.IdentityResponder, "send_with_compression"),
    (gzip.IdentityResponder, "apply_compression"),
    (gzip.GZipResponder, "__init__"),
    (gzip.GZipResponder, "apply_compression"),
)
_STAGE_ORIGINALS = tuple(vars(owner).get(name) for owner, name in _STAGE_METHODS)


def _joins_all_of_vary() -> bool:
    headers = MutableHeaders(raw=[(b"vary", b"a"), (b"vary", b"b")])
    headers.add_vary_header("c")
    return headers.raw == [(b"vary", b"a, b, c")]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")


def _cors_stage(middleware: CORSMiddleware) -> Stage:
    simple = tuple(
        (_bytes(name.lower()), _bytes(value)) for name, value in middleware.simple_headers.items()
    )
    origins = tuple(_bytes(origin) for origin in middleware.allow_origins)
    regex = middleware.allow_origin_regex
    fullmatch = None if regex is None else regex.fullmatch
    return "cors", (
        simple,
        origins,
        fullmatch,
        middleware.allow_all_origins,
        middleware.allow_credentials,
    )


def _gzip_stage(middleware: GZipMiddleware) -> Stage:
    if not _joins_all_of_vary():
        raise Unknown("this release of Starlette has other rules for Vary")
    if middleware.minimum_size < 1:
        raise Unknown("GZipMiddleware compresses empty bodies")
    excluded: list[bytes] = []
    for each in middleware.exclude_content_types:
        if each.endswith("/*"):
            excluded += [_bytes(each[:-1]), _bytes(each[:-2])]
        else:
            excluded.append(_bytes(each))
        if each == "application/grpc":
            excluded.append(b"application/grpc+")
    return "gzip", (
        tuple(excluded),
        middleware.minimum_size,
        middleware.thread_minimum_size,
        middleware.compresslevel,
    )


def stage_of(middleware: Any) -> Stage:
    """Describe a middleware that the core can stand for.

    Raises:
        Unknown: it cannot; the text says why.
    """
    for (owner, name), original in zip(_STAGE_METHODS, _STAGE_ORIGINALS, strict=True):
        if original is None or vars(owner).get(name) is not original:
            raise Unknown(f"{owner.__name__}.{name} is not Starlette's")
    kind = type(middleware)
    try:
        if kind is CORSMiddleware:
            return _cors_stage(middleware)
        if kind is GZipMiddleware:
            return _gzip_stage(middleware)
    except (AttributeError, TypeError, UnicodeEncodeError) as error:
        raise Unknown(f"its configuration is not as expected: {error}") from None
    raise Unknown("it runs as it is, around compiled routes")


def stage_guards(middleware: Any) -> list[tuple[dict[str, Any], str, Any]]:
    """Return what stays as it is while a middleware's configuration does."""
    return [(vars(middleware), name, value) for name, value in vars(middleware).items()]


# --- What the core does not enter --------------------------------------------------------------

SCOPES_OF_OTHERS = ("fastapi.telemetry", "starlette.max_body_size")
"""Keys of a scope that something else works with: such a request is FastAPI's."""


# --- What a run calls --------------------------------------------------------------------------

_DEFAULT_HANDLERS = (http_exception_handler, request_validation_exception_handler)


class RouteInfo:
    """What the functions below have to know of a route.

    Args:
        app: the application.
        router: the router that is searched.
        route: the effective route.
        state: the handler's variables.
        cache_keys: FastAPI's keys of the dependencies' values, in the order of the plan's places.
    """

    __slots__ = ("app", "cache_keys", "dependant", "embeds", "provider", "route", "router")

    def __init__(
        self,
        app: FastAPI,
        router: routing.APIRouter,
        route: EffectiveRoute,
        state: dict[str, Any],
        cache_keys: tuple[Any, ...],
    ) -> None:
        self.app = app
        self.router = router
        self.route = route
        self.dependant: Dependant = state["dependant"]
        self.embeds = bool(state["embed_body_fields"])
        self.provider = state["dependency_overrides_provider"]
        self.cache_keys = cache_keys


def _endpoint_context(info: RouteInfo, method: str, root_path: str) -> Any:
    dependant = info.dependant
    context = _routing._extract_endpoint_context(dependant.call)
    if dependant.path:
        context["path"] = f"{method} {root_path.rstrip('/')}{dependant.path}"
    return context


def missing_error(location: tuple[str, ...]) -> list[Any]:
    """Return FastAPI's error for a value that is required."""
    return [dependencies.get_missing_field_error(loc=location)]


def field_errors(exc: ValidationError, location: tuple[str, ...]) -> Sequence[Any]:
    """Return FastAPI's errors for what pydantic has refused."""
    return [
        {**error, "loc": location + tuple(error.get("loc", ()))}
        for error in exc.errors(include_url=False)
    ]


def default_of(field: ModelField) -> Any:
    """Return a field's default for one request."""
    return deepcopy(field.default)


_PATH, _QUERY, _HEADER, _COOKIE = range(4)


def delegated(fields: list[ModelField], source: int, material: Any) -> tuple[dict[str, Any], Any]:
    """Extract parameters with FastAPI's own function.

    Args:
        fields: those of one source.
        source: 0 path, 1 query, 2 header, 3 cookie.
        material: path parameters, the query string, or the raw headers.
    """
    received: Mapping[str, Any] = material
    if source == _QUERY:
        received = QueryParams(material)
    elif source == _HEADER:
        received = Headers(raw=material)
    elif source == _COOKIE:
        received = Request({"type": "http", "headers": material}).cookies
    extracted: tuple[dict[str, Any], Any] = dependencies.request_params_to_args(fields, received)
    return extracted


def _result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("a function that should not wait has waited")


def body_items(dependant: Dependant, body: Any, has_body: bool) -> tuple[dict[str, Any], Any]:
    """Extract the keys of a body that is no JSON object, with FastAPI's own function."""
    return cast(
        "tuple[dict[str, Any], Any]",
        _result_of(
            dependencies.request_body_to_args(
                body_fields=dependant.body_params,
                received_body=body if has_body else PydanticUndefined,
                embed_body_fields=True,
            )
        ),
    )


def request_error(
    errors: list[Any], body: Any, info: RouteInfo, method: str, root_path: str
) -> Exception:
    """Make the exception for invalid parameters."""
    return RequestValidationError(
        errors, body=body, endpoint_ctx=_endpoint_context(info, method, root_path)
    )


def _caused(exc: Exception, cause: BaseException) -> Exception:
    exc.__cause__ = cause
    return exc


def _unreadable(cause: Exception) -> Exception:
    return _caused(
        HTTPException(status_code=400, detail="There was an error parsing the body"), cause
    )


def body_error(exc: Exception, info: RouteInfo, method: str, root_path: str) -> Exception:
    """Make the exception for a body that could not be parsed."""
    if isinstance(exc, json.JSONDecodeError):
        error = {
            "type": "json_invalid",
            "loc": ("body", exc.pos),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": exc.msg},
        }
        context = _endpoint_context(info, method, root_path)
        return _caused(RequestValidationError([error], body=exc.doc, endpoint_ctx=context), exc)
    if isinstance(exc, HTTPException):
        return exc
    return _unreadable(exc)


def disconnect_error() -> Exception:
    """Make the exception for a client that has left before its body was complete."""
    return _unreadable(ClientDisconnect())


async def read_body(receive: Receive) -> bytes:
    """Read a body as `Request.body()` does, with the exceptions of FastAPI's handler."""
    try:
        return await Request({"type": "http"}, receive).body()
    except HTTPException:
        raise
    except Exception as exc:
        raise _unreadable(exc) from exc


def response_error(
    exc: ValidationError, content: Any, info: RouteInfo, method: str, root_path: str
) -> Exception:
    """Make the exception for a result that does not fit the response model."""
    return ResponseValidationError(
        errors=field_errors(exc, ("response",)),
        body=content,
        endpoint_ctx=_endpoint_context(info, method, root_path),
    )


@functools.lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Tell whether FastAPI parses a body of this type as JSON."""
    import email.message

    message = email.message.Message()
    message["content-type"] = content_type
    if message.get_content_maintype() != "application":
        return False
    subtype = message.get_content_subtype()
    return subtype == "json" or subtype.endswith("+json")


def make_injected_response() -> Response:
    """Make the response that dependencies may set headers, cookies and the status of."""
    response = Response()
    del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]
    return response


def json_response(
    content: bytes, status_code: int, background: Any, injected: Response | None
) -> Response:
    """Make a response of JSON bytes, without the body where its status allows none."""
    response = Response(
        content=content,
        media_type="application/json",
        status_code=status_code,
        background=background,
    )
    if not _routing.is_body_allowed_for_status_code(response.status_code):
        response.body = b""
    if injected is not None:
        response.headers.raw.extend(injected.headers.raw)
    return response


def response_maker(state: dict[str, Any]) -> Callable[..., Response]:
    """Return what makes a response of a class that is not FastAPI's default.

    Args:
        state: the handler's variables.

    Returns:
        `(validated result, injected response or None, background or None) -> response`.
    """
    field = state["response_field"]
    status_code = state["status_code"]
    response_class = state["actual_response_class"]
    options = {
        "include": state["response_model_include"],
        "exclude": state["response_model_exclude"],
        "by_alias": state["response_model_by_alias"],
        "exclude_unset": state["response_model_exclude_unset"],
        "exclude_defaults": state["response_model_exclude_defaults"],
        "exclude_none": state["response_model_exclude_none"],
    }

    def make(value: Any, injected: Response | None, background: Any) -> Response:
        arguments: dict[str, Any] = {"background": background}
        own = injected.status_code if injected is not None else None
        current = status_code if status_code else own
        if current is not None:
            arguments["status_code"] = current
        if own:
            arguments["status_code"] = own
        content = jsonable_encoder(value) if field is None else field.serialize(value, **options)
        response: Response = response_class(content, **arguments)
        if not _routing.is_body_allowed_for_status_code(response.status_code):
            response.body = b""
        if injected is not None:
            response.headers.raw.extend(injected.headers.raw)
        return response

    return make


def is_default_json(state: dict[str, Any]) -> bool:
    """Tell whether a handler answers with FastAPI's default response class."""
    return (
        isinstance(state["response_class"], DefaultPlaceholder)
        or state["response_class"] is JSONResponse
    ) and state["actual_response_class"] is JSONResponse


def dumps_models(state: dict[str, Any]) -> bool:
    """Tell whether pydantic makes a handler's JSON."""
    return state["response_field"] is not None and isinstance(
        state["response_class"], DefaultPlaceholder
    )


def run_in_thread(call: Callable[[], None]) -> Awaitable[None]:
    """Run a callable in AnyIO's thread pool."""
    return anyio.to_thread.run_sync(call)


async def solve(
    info: RouteInfo,
    request: Request,
    body: Any,
    has_body: bool,
    called: dict[int, Any],
    background: Any,
    response: Response | None,
) -> tuple[dict[str, Any], list[Any], Any, Response]:
    """Solve with FastAPI's own function what a plan has begun.

    A request's own code has changed `dependency_overrides` meanwhile.

    Args:
        info: the route's.
        request: the route's.
        body: as FastAPI's handler has it.
        has_body: whether there is one.
        called: values of the dependencies that have been called, by their places in the plan.
        background: tasks that these have added, or None.
        response: what these may have set headers of, or None.
    """
    solved = await dependencies.solve_dependencies(
        request=request,
        dependant=info.dependant,
        body=body if has_body else PydanticUndefined,
        background_tasks=background,
        response=response,
        dependency_overrides_provider=info.provider,
        dependency_cache={info.cache_keys[slot]: value for slot, value in called.items()},
        async_exit_stack=request.scope["fastapi_inner_astack"],
        embed_body_fields=info.embeds,
    )
    return solved.values, solved.errors, solved.background_tasks, solved.response


class Hooks:
    """The objects and functions that runs of one application use; see glue/application.h.

    Args:
        app: the application.
        middleware: the exception middleware in its stack.
        started: the message that stands for a response that has been started natively.
    """

    missing_error = staticmethod(missing_error)
    field_errors = staticmethod(field_errors)
    default_of = staticmethod(default_of)
    delegated = staticmethod(delegated)
    body_items = staticmethod(body_items)
    request_error = staticmethod(request_error)
    body_error = staticmethod(body_error)
    disconnect_error = staticmethod(disconnect_error)
    response_error = staticmethod(response_error)
    is_json = staticmethod(is_json)
    jsonable_encoder = staticmethod(jsonable_encoder)
    make_injected_response = staticmethod(make_injected_response)
    json_response = staticmethod(json_response)
    background_tasks = BackgroundTasks
    security_scopes = staticmethod(lambda scopes: SecurityScopes(scopes=scopes))
    make_uuid = UUID
    read_body = staticmethod(read_body)
    run_in_thread = staticmethod(run_in_thread)
    unwind = staticmethod(_exit_stacks.unwind)
    enter = staticmethod(_exit_stacks.enter)
    exit_stack = staticmethod(_exit_stacks.exit_stack)
    stack_of = staticmethod(_exit_stacks.stack_of)
    show_exits = staticmethod(_exit_stacks.show_exits)
    leave = staticmethod(_exit_stacks.leave)
    no_response = staticmethod(_exit_stacks.no_response)
    not_awaited = staticmethod(_exit_stacks.not_awaited)
    shield = staticmethod(_exit_stacks.shield)
    solve = staticmethod(solve)
    response_type = Response
    response_call = Response.__call__
    validation_error = ValidationError

    def __init__(self, app: FastAPI, middleware: ExceptionMiddleware, started: Message) -> None:
        self._app = app
        self._middleware = middleware
        self._started = started

    def make_request(
        self,
        info: RouteInfo,
        scope: Scope,
        receive: Receive,
        send: Send,
        path_params: dict[str, Any],
        body: bytes | None,
        parsed: Any,
        is_parsed: bool,
    ) -> Request:
        """Make the `Request` of a route's handler, with its scope as FastAPI's router leaves it."""
        middleware = self._middleware
        scope["app"] = self._app
        scope["starlette.exception_handlers"] = (
            middleware._exception_handlers,
            middleware._status_handlers,
        )
        scope["fastapi_middleware_astack"] = AsyncExitStack()
        scope.setdefault("router", info.router)
        route = info.route
        if route.follows_inclusion:
            scope.setdefault("fastapi", {})
        scope["endpoint"] = route.effective.endpoint
        scope["path_params"] = path_params
        scope["route"] = route.route
        if route.context is not None:
            scope["fastapi"]["included_router"] = route.included_by
            scope["fastapi"]["effective_route_context"] = route.context
        request = Request(scope, receive, send)
        if body is not None:
            request._body = body
            request._stream_consumed = True
            if is_parsed:
                request._json = parsed
        scope["fastapi_inner_astack"] = AsyncExitStack()
        scope["fastapi_function_astack"] = AsyncExitStack()
        return request

    def default_answer(self, exc: Exception) -> Response | None:
        """Answer an exception, if it is FastAPI's own handlers that would.

        They look at the exception alone, and never wait.
        """
        middleware = self._middleware
        handler = None
        if isinstance(exc, HTTPException):
            handler = middleware._status_handlers.get(exc.status_code)
        if handler is None:
            handlers = middleware._exception_handlers
            handler = next((handlers[kind] for kind in type(exc).__mro__ if kind in handlers), None)
        if not any(handler is each for each in _DEFAULT_HANDLERS):
            return None
        try:
            response = _result_of(cast(Any, handler)(None, exc))
        except Exception:
            return None  # it fails again where it belongs, with `exc` as its context
        exc.__traceback__ = None
        return cast(Response, response)

    async def answer(
        self,
        exc: Exception,
        request: Request,
        scope: Scope,
        receive: Receive,
        send: Send,
        started: int,
    ) -> None:
        """Raise a run's exception where FastAPI's handlers are, which answer it.

        Args:
            exc: the exception.
            request: the route's.
            scope: the request's.
            receive: the server's, or a middleware's.
            send: the server's, or a middleware's.
            started: 0: no response has been started; 1: one was, and `send` takes the message that
                says so; 2: one was, and `send` has seen it.
        """
        marker = self._started

        async def raise_again(_scope: Scope, _receive: Receive, send: Send) -> None:
            if started:
                await send(marker)
            raise exc

        async def send_others(message: Message) -> None:
            if message is not marker:
                await send(message)

        send = send_others if started == 2 else send
        await self._inside(raise_again, request, scope, receive, send)

    async def respond(
        self, response: ASGIApp, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send a run's response from where FastAPI's route would, with its handlers around.

        Args:
            response: what the endpoint has returned.
            request: the route's.
            scope: the request's.
            receive: the server's, or a middleware's.
            send: the server's, or a middleware's.
        """
        await self._inside(_exit_stacks.inside_request(response), request, scope, receive, send)

    async def _inside(
        self, app: ASGIApp, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        middleware = self._middleware
        scope["starlette.exception_handlers"] = (
            middleware._exception_handlers,
            middleware._status_handlers,
        )
        inner: ASGIApp = wrap_app_handling_exceptions(app, request)
        middle = _exit_stacks.inside_middleware(inner)
        outer = wrap_app_handling_exceptions(middle, Request(scope, receive, send))
        await outer(scope, receive, send)

    async def bare_stack(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the application's stack as it would be without middleware of the user's."""
        scope["app"] = self._app
        stack: ASGIApp = self._middleware
        for each in reversed(own_middleware(self._app)):
            outer = copy(each)
            outer.app = stack
            stack = outer
        await stack(scope, receive, send)
