"""Random models as bodies, and random JSON text: fitting, not fitting, and not JSON."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import Annotated, Any

import fastapi
from fastapi import Body
from fastapi.responses import PlainTextResponse
from hypothesis import given
from hypothesis import strategies as st

from tests.differential import Request

from .both import check
from .kinds import Kind, any_json, json_kinds

_ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "latin-1")
_TYPES = (
    *("application/json; charset=utf-8", "Application/JSON", "application/problem+json", None),
    *("text/plain", "application/x-www-form-urlencoded", "application/", "application/json,", ""),
)
_ODD = (
    *(
        b"",
        b" ",
        b"nul",
        b"[1,]",
        b'{"a" 1}',
        b"{'a': 1}",
        b"+1",
        b"01",
        b".5",
        b"1.",
        b"1e",
        b"--1",
    ),
    *(b'"\\u12"', b'"\\x"', b'"a', b'"\t"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'{"a":1,"a":2}'),
    *(b"NaN", b"-Infinity", b"Infinity", b"1e400", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"[]x"),
    *(
        b"[" * 3000,
        b"\xc3(",
        b'{"__proto__":1}',
        b"9" * 4301,
        b"1 2",
        b"/**/1",
        b"tru e",
        b"[1\x0b]",
    ),
)


@dataclass
class Bodies:
    """The body parameters of a route.

    Attributes:
        kinds: their types.
        options: arguments of `Body` for each.
        defaults: their default values, or `inspect.Parameter.empty`.
    """

    kinds: list[Kind]
    options: list[dict[str, Any]]
    defaults: list[Any]

    def signature(self) -> inspect.Signature:
        """Return the handler's signature."""
        return inspect.Signature(
            [
                inspect.Parameter(
                    f"body{number}",
                    inspect.Parameter.KEYWORD_ONLY,
                    default=default,
                    annotation=Annotated[kind.annotation, Body(**options)],
                )
                for number, (kind, options, default) in enumerate(
                    zip(self.kinds, self.options, self.defaults, strict=True)
                )
            ]
        )

    def fitting(self) -> st.SearchStrategy[Any]:
        """Return JSON values that mostly fit."""
        names = [
            options.get("alias", f"body{number}") for number, options in enumerate(self.options)
        ]
        if len(names) == 1 and not self.options[0].get("embed"):
            return self.kinds[0].json
        pairs = zip(names, self.kinds, strict=True)
        return st.fixed_dictionaries({}, optional={name: kind.json for name, kind in pairs})


@st.composite
def bodies(draw: st.DrawFn) -> Bodies:
    """One body parameter, or two."""
    found = Bodies([], [], [])
    for number in range(draw(st.sampled_from([1, 1, 1, 2]))):
        kind = draw(json_kinds())
        options: dict[str, Any] = {}
        if draw(st.integers(0, 4)) == 0:
            options["embed"] = True
        if draw(st.integers(0, 4)) == 0:
            options["alias"] = f"alias-{number}"
        found.kinds.append(kind)
        found.options.append(options)
        has_default = draw(st.integers(0, 3)) == 0
        found.defaults.append(draw(kind.python) if has_default else inspect.Parameter.empty)
    return found


@st.composite
def json_texts(draw: st.DrawFn, fitting: st.SearchStrategy[Any]) -> bytes:
    """Bytes that are JSON for it, that are other JSON, or that are nearly JSON."""
    if draw(st.integers(0, 7)) == 0:
        return draw(st.one_of(st.sampled_from(_ODD), st.binary(max_size=8)))
    value = draw(st.one_of(fitting, fitting, fitting, any_json))
    text = json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([None, (",", ":"), (" ,\n", "\t:\r ")])),
    )
    if draw(st.integers(0, 9)) == 0:
        encoding = draw(st.sampled_from(_ENCODINGS))
        return text.encode(encoding, "surrogatepass" if "latin" not in encoding else "replace")
    data = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 4)) > 0:
        return data
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 2)))
    inserted = draw(
        st.one_of(st.binary(max_size=2), st.text('{}[]",:0-e.\\ntu \n', max_size=2).map(str.encode))
    )
    return data[:start] + inserted + data[end:]


@st.composite
def requests(draw: st.DrawFn, fitting: st.SearchStrategy[Any]) -> Request:
    """A request with a body, mostly said to be JSON."""
    headers = [["host", "example.org"]]
    usual = draw(st.integers(0, 7)) > 0
    content_type = "application/json" if usual else draw(st.sampled_from(_TYPES))
    if content_type is not None:
        headers.append(["content-type", content_type])
    body = draw(json_texts(fitting)).decode("latin-1")
    return Request("POST", "/", headers, body, draw(st.sampled_from([1, 1, 1, 3])))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Bodies, list[Request], bool, bool]:
    """Body parameters, requests, whether the handler is async, and `strict_content_type`."""
    declared = draw(bodies())
    asked = draw(st.lists(requests(declared.fitting()), min_size=1, max_size=4))
    return declared, asked, draw(st.booleans()), draw(st.integers(0, 7)) > 0


def make_app(
    declared: Bodies, is_async: bool, strict: bool, kind: type[fastapi.FastAPI]
) -> fastapi.FastAPI:
    """An application whose handler answers with the values that it got."""

    def handle(**got: Any) -> PlainTextResponse:
        return PlainTextResponse(ascii(got))

    async def handle_async(**got: Any) -> PlainTextResponse:
        return handle(**got)

    handler: Any = handle_async if is_async else handle
    handler.__signature__ = declared.signature()
    app = kind(strict_content_type=strict)
    app.post("/")(handler)
    return app


@given(cases())
def test_json_bodies_are_read_as_fastapi_reads_them(
    case: tuple[Bodies, list[Request], bool, bool],
) -> None:
    declared, asked, is_async, strict = case
    check(lambda kind: make_app(declared, is_async, strict, kind), *asked)
