"""Random declarations of path, query, header and cookie parameters, and random raw values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, quote_plus

import fastapi
from fastapi import Cookie, Header, Path, Query
from fastapi.responses import PlainTextResponse
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import Request

from .both import check
from .kinds import SCALARS, Kind, flat_kinds, model_kinds, odd_texts, texts

_PLACES = {"path": Path, "query": Query, "header": Header, "cookie": Cookie}


_ALIASES = ("al", "X-Y", "a.b", "a_b")


@dataclass
class Declared:
    """A declared parameter.

    Attributes:
        name: in Python.
        place: where in the request it is.
        kind: its type.
        options: arguments of `Query` and the others.
        default: the default value, or `inspect.Parameter.empty`.
        annotated: whether `Query` and the others stand in `Annotated`, or are the default.
    """

    name: str
    place: str
    kind: Kind
    options: dict[str, Any] = field(default_factory=dict)
    default: Any = inspect.Parameter.empty
    annotated: bool = True

    def parameter(self) -> inspect.Parameter:
        """Return it as a part of a signature."""
        marker = _PLACES[self.place]
        annotation, default = self.kind.annotation, self.default
        if self.annotated:
            annotation = Annotated[annotation, marker(**self.options)]
        elif default is inspect.Parameter.empty:
            default = marker(**self.options)
        else:
            default = marker(default, **self.options)
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(self.name, kind, default=default, annotation=annotation)

    def wire_names(self) -> list[str]:
        """Return names that a request may use for it."""
        found = [self.name, self.name.replace("_", "-"), self.name.upper()]
        found.append(self.options.get("alias", self.name))
        model = self.kind.annotation
        for name, info in getattr(model, "model_fields", {}).items():
            found += [name, info.alias or name, name.replace("_", "-")]
        return found


@st.composite
def declarations(draw: st.DrawFn) -> list[Declared]:
    """One to four parameters, of which one may be a model that stands for a group."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(["path", "query", "query", "header", "cookie"]))
        grouped = place != "path" and draw(st.integers(0, 5)) == 0
        if grouped:
            kind = draw(model_kinds(flat_kinds(), flat=True))
        else:
            kind = draw(SCALARS if place == "path" else flat_kinds())
        one = Declared(f"{draw(st.sampled_from(['q', 'long_name', 'X_y']))}{number}", place, kind)
        if place != "path" and not grouped:
            if draw(st.booleans()):
                one.default = draw(kind.python)
            if draw(st.integers(0, 3)) == 0:
                one.options["alias"] = f"{draw(st.sampled_from(_ALIASES))}{number}"
            if place == "header" and draw(st.integers(0, 4)) == 0:
                one.options["convert_underscores"] = False
        one.annotated = place == "path" or draw(st.integers(0, 3)) > 0
        found.append(one)
    return found


def _visible(text: str) -> str:
    """Return what of a text a header may hold, as Latin-1 has its UTF-8."""
    return re.sub(r"[\x00-\x1f\x7f]", "", text).strip().encode("utf-8").decode("latin-1")


def _as_it_is(text: str) -> str:
    """Leave all that a target may hold unquoted, and quote the rest."""
    return quote(text, safe="!$'()*+,;:@/?-._~=&%")


_QUOTING: list[Callable[[str], str]] = [quote_plus, quote, _as_it_is]


@st.composite
def requests(draw: st.DrawFn, declared: list[Declared]) -> Request:
    """A request with a value for each of the parameters, or with anything for some of them."""
    careful = draw(st.integers(0, 2)) > 0

    def value(one: Declared) -> str:
        if careful:
            return draw(one.kind.texts)
        return draw(st.one_of(one.kind.texts, odd_texts, texts))

    def times(one: Declared) -> int:
        if careful and not one.kind.many:
            return 1
        return draw(st.sampled_from([1, 1, 1, 0, 2, 3]))

    path, query, cookies = "/at", [], []
    headers = [["host", "example.org"]]
    for one in declared:
        if one.place == "path":
            segment = value(one).encode("utf-8", "surrogatepass") or b"x"
            path += "/" + quote(segment, safe=draw(st.sampled_from(["", ":+@"])))
            continue
        for _ in range(times(one)):
            wanted = one.options.get("alias", one.name)
            if one.place == "header" and "alias" not in one.options:
                wanted = one.name.replace("_", "-")
            name = wanted if careful else draw(st.sampled_from([wanted, *one.wire_names()]))
            text = value(one)
            if one.place == "query":
                quoting = draw(st.sampled_from(_QUOTING))
                query.append(f"{quote_plus(name)}={quoting(text)}")
            elif one.place == "header":
                headers.append([name, _visible(text)])
            else:
                cookies.append(f"{name}={_visible(text)}")
    query += draw(st.lists(_query_parts, max_size=1))
    separator = draw(st.sampled_from(["&", "&", "&&"]))
    target = path + ("?" + separator.join(query) if query else "")
    if cookies:
        headers.append(["cookie", draw(st.sampled_from(["; ", ";", " ; "])).join(cookies)])
    return Request("GET", target, headers)


#: Parts of a query that belong to no parameter, or are hardly a part at all.
_query_parts = st.one_of(
    st.sampled_from(
        ["", "=", "a", "=x", "q0", "%", "%zz=1", "q0=%ff", "q0=1;q1=2", "+=+", "a=b=c"]
    ),
    st.text("qQ01=&%+;_-~.aF", max_size=8),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Declared], list[Request], bool]:
    """Declarations, requests, and whether the handler is a coroutine function."""
    declared = draw(declarations())
    return declared, draw(st.lists(requests(declared), min_size=1, max_size=4)), draw(st.booleans())


def _shown(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return f"{sorted(map(repr, value))}"
    return repr(value)


def make_app(declared: list[Declared], is_async: bool, kind: type[fastapi.FastAPI]) -> Any:
    """An application whose handler answers with the values that it got."""

    def handle(**got: Any) -> PlainTextResponse:
        return PlainTextResponse(str({name: _shown(value) for name, value in got.items()}))

    async def handle_async(**got: Any) -> PlainTextResponse:
        return handle(**got)

    handler: Any = handle_async if is_async else handle
    handler.__signature__ = inspect.Signature([one.parameter() for one in declared])
    app = kind()
    path = "/at" + "".join(f"/{{{one.name}}}" for one in declared if one.place == "path")
    app.get(path)(handler)
    return app


@given(cases())
def test_parameters_are_read_as_fastapi_reads_them(
    case: tuple[list[Declared], list[Request], bool],
) -> None:
    declared, asked, is_async = case
    check(lambda kind: make_app(declared, is_async, kind), *asked)
