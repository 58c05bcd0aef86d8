"""The path templates of Starlette's routes, as specifications for `_core.Router`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from starlette import convertors

from . import _core


class Parameter(NamedTuple):
    """A parameter of a template: `{name}` or `{name:convertor}`."""

    name: str
    convertor: str


Token = str | Parameter
"""Text that stands for itself, or a parameter."""

RouteSpec = tuple[str, tuple[Token, ...], tuple[str, ...] | None]
MountSpec = tuple[str, tuple[Token, ...]]


class OpaquePath(Exception):
    """A template that only its own regular expression can match; the text is the reason."""


class Templated(Protocol):
    """What a route, a mount and FastAPI's effective route contexts have in common."""

    path: str
    path_regex: re.Pattern[str]
    param_convertors: dict[str, convertors.Convertor[Any]]


class TemplatedRoute(Templated, Protocol):
    """A route with methods; empty or None: any."""

    methods: set[str] | None


# The names are those of a template; another class may be registered under each.
_CONVERTORS: dict[type[convertors.Convertor[Any]], tuple[str, str]] = {
    convertors.StringConvertor: ("str", "[^/]+"),
    convertors.IntegerConvertor: ("int", "[0-9]+"),
    convertors.FloatConvertor: ("float", r"[0-9]+(\.[0-9]+)?"),
    convertors.UUIDConvertor: (
        "uuid",
        "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}",
    ),
    convertors.PathConvertor: ("path", ".*"),
}
_REGEXES = dict(_CONVERTORS.values())
_PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(?::([a-zA-Z_][a-zA-Z0-9_]*))?\}")


def parse_path(
    path: str, param_convertors: Mapping[str, convertors.Convertor[Any]] | None = None
) -> tuple[Token, ...]:
    """Split a template as `starlette.routing.compile_path` does.

    Parameters:
        path: a template that begins with a slash, or "" as a mount's may be.
        param_convertors: a live route's, by parameter; those registered with Starlette otherwise.

    Raises:
        OpaquePath: the template has something that the router does not know.
    """
    if path and not path.startswith("/"):
        raise OpaquePath(f"the path {path!r} does not begin with a slash")
    tokens: list[Token] = []
    names: set[str] = set()
    end = 0
    for found in _PARAMETER.finditer(path):
        name, kind = found.group(1), found.group(2) or "str"
        if param_convertors is None:
            convertor = convertors.CONVERTOR_TYPES.get(kind)
        else:
            convertor = param_convertors.get(name)
        if name in names:
            raise OpaquePath(f"the parameter {name!r} occurs twice in {path!r}")
        names.add(name)
        if found.start() > end:
            tokens.append(path[end : found.start()])
        tokens.append(Parameter(name, _convertor_name(kind, convertor)))
        end = found.end()
    if end < len(path):
        tokens.append(path[end:])
    return tuple(tokens)


def _convertor_name(kind: str, convertor: convertors.Convertor[Any] | None) -> str:
    name, regex = _CONVERTORS.get(type(convertor), ("", ""))  # type: ignore[arg-type]
    if convertor is None or not name or convertor.regex != regex:
        raise OpaquePath(f"the convertor {kind!r} is not one of Starlette's own")
    return name


def path_regex(tokens: Iterable[Token]) -> str:
    """The regular expression that `compile_path` makes of a template with these tokens."""
    pieces = [
        re.escape(token) if isinstance(token, str) else f"(?P<{token.name}>{_regex(token)})"
        for token in tokens
    ]
    return f"^{''.join(pieces)}$"


def _regex(parameter: Parameter) -> str:
    return _REGEXES[parameter.convertor]


def websocket_spec(route: Templated, method: str) -> RouteSpec:
    """The specification of a WebSocket route.

    Parameters:
        route: a route whose `matches` is Starlette's or FastAPI's own.
        method: what stands for a method.

    Raises:
        OpaquePath: only the route itself can tell what it matches.
    """
    tokens = parse_path(route.path, route.param_convertors)
    _check_regex(route, tokens)
    spec = ("path", tokens, (method,))
    _check_spec(spec)
    return spec


def route_spec(route: TemplatedRoute) -> RouteSpec:
    """The specification of a route.

    Parameters:
        route: a route whose `matches` is Starlette's or FastAPI's own.

    Raises:
        OpaquePath: only the route itself can tell what it matches.
    """
    tokens = parse_path(route.path, route.param_convertors)
    _check_regex(route, tokens)
    spec = ("path", tokens, tuple(route.methods) if route.methods else None)
    _check_spec(spec)
    return spec


def mount_spec(mount: Templated) -> MountSpec:
    """The specification of a mount.

    Parameters:
        mount: a `starlette.routing.Mount` whose `matches` is Starlette's own.

    Raises:
        OpaquePath: only the mount itself can tell what it matches.
    """
    tokens = parse_path(mount.path, mount.param_convertors)
    _check_regex(mount, (*tokens, "/", Parameter("path", "path")))
    spec = ("prefix", tokens)
    _check_spec(spec)
    return spec


def _check_regex(route: Templated, tokens: tuple[Token, ...]) -> None:
    # What a route matches with is its expression, whatever its other attributes say.
    regex = route.path_regex
    if regex.pattern != path_regex(tokens) or regex.flags != re.UNICODE:
        raise OpaquePath(f"the path {route.path!r} is matched by another expression of its own")


def _check_spec(spec: RouteSpec | MountSpec) -> None:
    try:
        _core.Router((spec,))
    except ValueError as error:
        raise OpaquePath(str(error)) from None
