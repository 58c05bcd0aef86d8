"""FastAPI's own security schemes: what each of them reads, and its own code on just that text.

A scheme takes the connection only to look up one header, query parameter or cookie. So a run finds
the text, and the scheme's own `__call__` gets a stand-in for the connection that has nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import security
from fastapi.security.api_key import APIKeyBase
from fastapi.security.http import HTTPBase

from .parameters import result_of

HEADER, QUERY, COOKIE = "header", "query", "cookie"

_AUTHORIZATION = (
    HTTPBase,
    security.HTTPBasic,
    security.HTTPBearer,
    security.HTTPDigest,
    security.OAuth2,
    security.OAuth2PasswordBearer,
    security.OAuth2AuthorizationCodeBearer,
    security.OpenIdConnect,
)
_KEYS = (
    (security.APIKeyHeader, HEADER),
    (security.APIKeyQuery, QUERY),
    (security.APIKeyCookie, COOKIE),
)
_SOURCES: dict[Any, str] = {
    **{kind.__call__: HEADER for kind in _AUTHORIZATION},
    **{kind.__call__: source for kind, source in _KEYS},
}
_OWN = frozenset((*_AUTHORIZATION, *(kind for kind, _ in _KEYS)))


class _Connection:
    """Stands in for a connection of which one text is asked for."""

    __slots__ = ("_text",)

    def __init__(self, text: str | None) -> None:
        self._text = text

    @property
    def headers(self) -> _Connection:
        return self

    query_params = cookies = headers

    def get(self, _name: str) -> str | None:
        return self._text


class Scheme:
    """A security scheme whose `__call__` is FastAPI's.

    Args:
        call: the dependency.
        source: where its text comes from.

    Attributes:
        source: the same.
        name: of the header, query parameter or cookie.
        is_own: it is of FastAPI's own class, so that nothing of the application's runs in it.
        guards: what stays as it is while this holds.
    """

    __slots__ = ("guards", "is_own", "name", "read", "source")

    def __init__(self, call: Any, source: str) -> None:
        kind = type(call)
        function = kind.__call__
        self.source = source
        self.name = "Authorization"
        self.is_own = kind in _OWN
        self.guards: list[tuple[Any, str, Any]] = [(kind, "__call__", function)]
        if isinstance(call, APIKeyBase):
            self.name = call.model.name
            self.guards += [(call, "model", call.model), (call.model, "name", self.name)]

        def read(text: str | None) -> Any:
            return result_of(function(call, _Connection(text)))

        self.read: Callable[[str | None], Any] = read


def scheme_of(call: Any) -> Scheme | None:
    """Describe a dependency that is a security scheme; None: it is none, or has its own code."""
    kind: Any = type(call)
    source = _SOURCES.get(kind.__call__)
    if source is None or "model" not in vars(call):
        return None
    return Scheme(call, source)
