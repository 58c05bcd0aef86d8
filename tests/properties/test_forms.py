"""Random forms: fields, files and models, declared and sent in every way, whole and broken."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote, quote_plus

import fastapi
import pytest
from fastapi import File, Form, UploadFile
from fastapi.responses import PlainTextResponse
from hypothesis import given
from hypothesis import strategies as st
from starlette.formparsers import MultiPartParser

from hyperfastapi import plans
from tests.differential import Request

from .both import check
from .kinds import Kind, flat_kinds, model_kinds, odd_texts, texts

_FILES = [
    UploadFile,
    UploadFile | None,
    list[UploadFile],
    list[UploadFile] | None,
    bytes,
    bytes | None,
    list[bytes],
]
_BOUNDARIES = ["B", "b" * 40, "a b", "a'()+_,-./:=?", "--", "", "x" * 256, "x" * 257, "\xe9"]
_LIMITS: list[dict[str, int]] = [{}, {"max_files": 1}, {"max_fields": 2}, {"max_part_size": 8}]


@pytest.fixture(autouse=True, scope="module")
def files_go_to_disk_soon() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MultiPartParser, "spool_max_size", 16)
        yield


@dataclass
class Field:
    """A declared field.

    Attributes:
        name: in Python.
        annotation: its type.
        kind: of a field that is no file.
        options: arguments of `Form` or `File`.
        default: the default value, or `inspect.Parameter.empty`.
    """

    name: str
    annotation: Any
    kind: Kind | None = None
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    default: Any = inspect.Parameter.empty

    def parameter(self) -> inspect.Parameter:
        """Return it as a part of a signature."""
        marker = File if self.kind is None else Form
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=self.default,
            annotation=Annotated[self.annotation, marker(**self.options)],
        )

    def wire_names(self) -> list[str]:
        """Return names that a form may use for it."""
        found = [self.options.get("alias", self.name)]
        for name, info in getattr(self.annotation, "model_fields", {}).items():
            found += [info.alias or name, name]
        return found


@dataclass
class Entry:
    """What a form holds under one name.

    Attributes:
        name: the name.
        value: text, or the bytes of a file.
        filename: of a file.
        headers: further ones of the part.
    """

    name: str
    value: bytes
    filename: str | None = None
    headers: list[str] = field(default_factory=list)


@st.composite
def declarations(draw: st.DrawFn) -> list[Field]:
    """One to four fields, files among them, of which one may be a model."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        name = f"{draw(st.sampled_from(['f', 'long_name']))}{number}"
        choice = draw(st.integers(0, 9))
        if choice < 3:
            one = Field(name, draw(st.sampled_from(_FILES)))
            if draw(st.integers(0, 2)) == 0:
                one.default = None
        elif choice == 3:
            kind = draw(model_kinds(flat_kinds(), flat=True))
            one = Field(name, kind.annotation, kind)
        else:
            kind = draw(flat_kinds())
            one = Field(name, kind.annotation, kind)
            if draw(st.booleans()):
                one.default = draw(kind.python)
        if draw(st.integers(0, 3)) == 0:
            one.options["alias"] = f"{draw(st.sampled_from(['al', 'x-y', 'n m']))}{number}"
        found.append(one)
    return found


_filenames = st.sampled_from(
    ["a.txt", "", "\u00e9.txt", 'q"x', "C:\\d\\f.txt", "\\\\h\\f", "a;b", "%41"]
)
_contents = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"x" * 15, b"x" * 16, b"x" * 17, b"\r\n--B", b"\r\n--B\r\n", b"\r" * 30]),
)


@st.composite
def entries(draw: st.DrawFn, declared: list[Field]) -> list[Entry]:
    """Values for each of the fields, mostly fitting ones."""
    careful = draw(st.integers(0, 2)) > 0
    found = []
    for one in declared:
        times = 1 if careful else draw(st.sampled_from([1, 1, 0, 2, 3]))
        for _ in range(times):
            name = draw(st.sampled_from(one.wire_names()))
            is_file = one.kind is None if careful else draw(st.booleans())
            if is_file:
                found.append(Entry(name, draw(_contents), draw(_filenames)))
            else:
                fitting = one.kind.texts if one.kind is not None else texts
                text = draw(fitting if careful else st.one_of(fitting, odd_texts, texts))
                found.append(Entry(name, text.encode("utf-8", "surrogatepass")))
            if draw(st.integers(0, 3)) == 0:
                found[-1].headers.append(draw(st.sampled_from(_PART_HEADERS)))
    return draw(st.permutations(found))


_PART_HEADERS = [
    "Content-Type: text/plain",
    "X-A:  b ",
    "x-b:",
    "Content-Type: \xe9",
    "bad name: x",
]
_TYPES = ["application/x-www-form-urlencoded", "Application/X-WWW-Form-Urlencoded; charset=utf-8"]


def _urlencoded(draw: st.DrawFn, found: list[Entry]) -> tuple[str, str]:
    quoting = draw(st.sampled_from([quote_plus, quote]))
    pairs = [f"{quote_plus(one.name)}={quoting(one.value)}" for one in found]
    pairs += draw(
        st.lists(st.sampled_from(["", "=", "a", "=x", "%zz=%", "f0=%ff", "f0=\xe9"]), max_size=2)
    )
    return draw(st.sampled_from(_TYPES)), "&".join(pairs)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _part(draw: st.DrawFn, one: Entry) -> bytes:
    quoting = draw(st.sampled_from([_quoted, _quoted, _quoted, str]))
    options = [f"name={quoting(one.name)}"]
    if one.filename is not None:
        options.append(f"filename={quoting(one.filename)}")
    if draw(st.integers(0, 9)) == 0:
        options.append(draw(st.sampled_from(["", "name*=x", "NAME=y", "name", "x=;", 'x="'])))
    separator = draw(st.sampled_from(["; ", ";", " ;\t"]))
    name = draw(st.sampled_from(["Content-Disposition", "content-disposition"]))
    disposition = separator.join([f"{name}: form-data", *options])
    lines = [disposition.encode("utf-8"), *(each.encode("latin-1") for each in one.headers)]
    return b"\r\n".join([*lines, b"", one.value])


def _multipart(draw: st.DrawFn, found: list[Entry]) -> tuple[str, str]:
    usual = draw(st.integers(0, 3)) > 0
    boundary = "B" if usual else draw(st.sampled_from(_BOUNDARIES))
    shown = draw(st.sampled_from([boundary, _quoted(boundary)]))
    delimiter = b"--" + boundary.encode("latin-1")
    padding = draw(st.sampled_from([b"", b"", b"", b" ", b"\t "]))
    body = (delimiter + b"\r\n" if found else b"") + (b"\r\n" + delimiter + padding + b"\r\n").join(
        _part(draw, one) for one in found
    )
    end = [b"--\r\n", b"--\r\n", b"--", b"", b"-", b"--epilogue", b"x"]
    body += b"\r\n" + delimiter + draw(st.sampled_from(end))
    charset = draw(
        st.sampled_from([""] * 6 + ["; charset=latin-1", "; charset=x", "; charset=hex"])
    )
    return f"multipart/form-data; boundary={shown}{charset}", body.decode("latin-1")


def _broken(draw: st.DrawFn, body: str) -> str:
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 3)))
    inserted = draw(st.sampled_from(["", "\r", "\n", "\r\n", "-", ":", "\r\n\r\n", "x", '"', "&"]))
    return body[:start] + inserted + body[end:]


@st.composite
def requests(draw: st.DrawFn, declared: list[Field]) -> Request:
    """A request with a form, or with something that says it is none."""
    found = draw(entries(declared))
    if draw(st.integers(0, 2)) == 0 and not any(one.filename for one in found):
        content_type, body = _urlencoded(draw, found)
    else:
        content_type, body = _multipart(draw, found)
    if draw(st.integers(0, 5)) == 0:
        body = _broken(draw, body)
    headers = [["host", "example.org"]]
    odd = ["multipart/form-data", "text/plain", "multipart/form-data; boundary", None]
    if draw(st.integers(0, 15)) == 0:
        content_type = draw(st.sampled_from(odd))
    if content_type is not None:
        headers.append(["content-type", content_type])
    # What Starlette's parser makes of a preamble depends on how it is cut; ours does not.
    is_cut = not body.startswith(("\r", "\n")) and draw(st.booleans())
    return Request("POST", "/", headers, body, draw(st.integers(2, 9)) if is_cut else 1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Field], list[Request], bool, dict[str, int]]:
    """Declarations, requests, whether the handler is a coroutine function, and limits."""
    declared = draw(declarations())
    asked = draw(st.lists(requests(declared), min_size=1, max_size=4))
    return declared, asked, draw(st.booleans()), draw(st.sampled_from([{}, {}, {}, *_LIMITS]))


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(each) for each in value]
    if hasattr(value, "filename") and hasattr(value, "file"):
        content = value.file.read()
        value.file.seek(0)
        return (type(value), value.filename, value.size, value.headers.raw, content,
                value.file._rolled)  # fmt: skip
    return repr(value)


def make_app(
    declared: list[Field], is_async: bool, limits: dict[str, int], kind: type[fastapi.FastAPI]
) -> fastapi.FastAPI:
    """An application whose handler answers with the values that it got."""

    def handle(**got: Any) -> PlainTextResponse:
        return PlainTextResponse(ascii({name: _shown(value) for name, value in got.items()}))

    async def handle_async(**got: Any) -> PlainTextResponse:
        return handle(**got)

    handler: Any = handle_async if is_async else handle
    handler.__signature__ = inspect.Signature([one.parameter() for one in declared])
    app = kind()
    options: dict[str, Any] = {"form_limits": limits} if limits else {}
    app.post("/", **options)(handler)
    return app


@given(cases())
def test_forms_are_read_as_fastapi_reads_them(
    case: tuple[list[Field], list[Request], bool, dict[str, int]],
) -> None:
    declared, asked, is_async, limits = case
    check(lambda kind: make_app(declared, is_async, limits, kind), *asked)


@given(declarations())
def test_all_that_takes_a_form_is_compiled(declared: list[Field]) -> None:
    try:
        app = make_app(declared, True, {}, fastapi.FastAPI)
    except Exception:
        return  # FastAPI refuses it
    assert [part.reason for part in plans.explain(app).routes if part.path == "/"] == [None]
