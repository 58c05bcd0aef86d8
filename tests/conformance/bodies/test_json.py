"""Decoding: what `json.loads` accepts and refuses, with its messages and positions."""

from typing import Annotated, Any

import pytest
from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from ..requests import post_json


def anything(side):
    """Notes what a body was decoded to, in an `async def` and a `def`."""
    app = side.FastAPI()

    @app.post("/async")
    async def endpoint(body: Annotated[Any, Body()]):
        side.log(repr(body))

    @app.post("/sync")
    def sync(body: Annotated[Any, Body()] = None):
        side.log(repr(body))

    @app.post("/dict")
    async def dictionary(body: dict[str, Any]):
        side.log(repr(body))

    return app


ENDS = ("", "-le", "-be")
ACCEPTED: dict[str, list[bytes]] = {
    "literals": [b"null", b"true", b"false", b'""', b"[]", b"{}", b" \t\r\n0 \t\r\n"],
    "integers": [b"0", b"-0", b"12", b"9007199254740993", b"9223372036854775808"],
    "big integers": [b"-" + b"9" * 300, b"1" * 4000],
    "floats": [b"0.1", b"-0.0", b"1e5", b"1E+5", b"1e-7", b"1.0", b"5e-324", b"1e400", b"-1e400"],
    "long floats": [b"0." + b"1" * 400, b"1" * 400 + b".5", b"2.2250738585072011e-308"],
    "not numbers": [b"NaN", b"Infinity", b"-Infinity", b'[NaN, {"a": -Infinity}]'],
    "escapes": [rb'"\"\\\/\b\f\n\r\t"', rb'"\u00e9\u0000\uFFFF"', rb'"\ud83d\ude00"'],
    "lone surrogates": [rb'"\ud800"', rb'"\udc00\ud800"', rb'"\ud83dx"', rb'{"\ud800": 1}'],
    "encoded surrogates": [b'"\xed\xa0\x80"', b'"\xed\xa0\xbd\xed\xb8\x80"'],
    "text": ['"é€😀\u2028"'.encode(), b'"\x7f"', b'"' + b"x" * 70_000 + b'"'],
    "keys": [b'{"": 1}', b'{"a": 1, "a": 2}', b'{"b": 1, "a": 2, "b": 3}', '{"é": 1}'.encode()],
    "nesting": [b"[[[[]]]]", b'{"a": {"b": [{"c": null}]}}', b"[" * 200 + b"]" * 200],
    "blanks": [b' { "a" : [ 1 , 2 ] } ', b"\n[\n]\n", b"[ ]", b"{ }"],
    "utf-8 with a mark": [b'\xef\xbb\xbf{"a": 1}'],
    "utf-16": [text.encode(f"utf-16{e}") for text in ('{"a": "é"}', "[1]") for e in ENDS],
    "utf-32": [text.encode(f"utf-32{e}") for text in ('{"a": "é"}', "[1]") for e in ENDS],
    "one character in utf-16": ["1".encode("utf-16-le"), "1".encode("utf-16-be")],
}  # fmt: skip
REFUSED: dict[str, list[bytes]] = {
    "nothing": [b" ", b"\n\n", b"\t"],
    "literals": [b"nul", b"True", b"None", b"tru", b"nan", b"+Infinity", b"Infinit", b"undefined"],
    "numbers": [b"01", b"-", b"+1", b".5", b"5.", b"1e", b"1e+", b"0x10", b"1_000", b"1.e5"],
    "strings": [b'"', b'"abc', b"'a'", b'"a\nb"', b'"a\tb"', b'"\x00"', b'"a" "b"', b'"\x1f"'],
    "escapes": [rb'"\x"', rb'"\u12"', rb'"\u12g4"', b'"\\', b'"\\"', rb'"\ud83d\u1"', rb'"\u+12"'],
    "arrays": [b"[", b"]", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"[1}", b"[1]]", b"[,]"],
    "objects": [
        b"{", b"}", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b"{1:2}", b"{a:1}",
        b'{"a" 1}', b'{"a":}', b'{"a":1 "b":2}', b'{"a":1]', b"{'a':1}", b'{,"a":1}', b'{"a"::1}',
    ],
    "after the end": [b"1 2", b"{} {}", b"[] x", b"null,", b'{"a":1}\x00', b"1\xc2\xa0"],
    "comments": [b"// c\n1", b"1 /* c */", b"# c\n1"],
    "positions in lines": [b'{\n  "a": 1,\n  "b" 2\n}', b"[\r\n1,\r\n x]"],
    "positions in characters": [b'["\xc3\xa9\xc3\xa9", x]', '["😀", x]'.encode()],
    "blanks that are none": [b"\x0b1", b"\x0c1", b"\xc2\xa01", "\u20281".encode()],
    "two marks": [b"\xef\xbb\xbf\xef\xbb\xbf1"],
    "a mark and nothing": [b"\xef\xbb\xbf"],
    "a mark inside": [b'{"a":\xef\xbb\xbf1}'],
    "utf-16": ['{"a": }'.encode("utf-16"), b"1\x00\x00"],
}  # fmt: skip
UNREADABLE: dict[str, list[bytes]] = {
    "bytes that are not utf-8": [b'"\xff"', b'{"a": "\xc3"}', b"\xc3\xa9\xe9"],
    "overlong forms": [b'"\xc0\x80"', b'"\xf5\x80\x80\x80"', b'"\xe2\x82"'],
    "half a utf-16": [b"\xff\xfe1", b"\xfe\xff\x00"],
    "half a utf-32": [b"\xff\xfe\x00\x00\x01", b"\x00\x00\xfe\xff\x00"],
    "too deep": [b"[" * 200_000, b'{"a":' * 200_000],
    "too many digits": [b"1" * 5000, b"[-" + b"1" * 5000 + b"]"],
}


def posting(documents):
    """Each document to a parameter of any type and to a dict, the first to a `def` too."""
    asked = [post_json(f"/{name}", d) for d in documents for name in ("async", "dict")]
    return [*asked, post_json("/sync", documents[0])]


@pytest.mark.parametrize("kind", ACCEPTED)
def test_json_loads_accepts(conform, kind):
    """D58: bytes of any Unicode encoding, NaN, duplicate keys, lone surrogates, big integers."""
    conform(anything, *posting(ACCEPTED[kind]))


@pytest.mark.parametrize("kind", REFUSED)
def test_json_loads_refuses(conform, kind):
    """D59: 422 `json_invalid` at the character at which CPython gave up, with its message."""
    conform(anything, *posting(REFUSED[kind]))


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_fails_otherwise_is_a_400(conform, kind):
    """D60: invalid encodings, too deep a nesting, integers beyond the interpreter's limit."""
    outcomes = conform(anything, *posting(UNREADABLE[kind]))
    assert all(b" 400 Bad Request\r\n" in outcome.wire for outcome in outcomes)


def test_the_depth_that_is_too_deep_is_pythons(conform):
    """D58, D60: hundreds of levels pass, whatever Python's limit is in this place."""
    conform(anything, post_json("/async", b"[" * 500 + b"]" * 500))


def test_a_decoding_error_reaches_the_handler_with_the_document(conform):
    """D59: `body` of the exception is the text that was decoded, `input` of the error is {}."""

    def make(side):
        app = anything(side)

        @app.exception_handler(RequestValidationError)
        async def handler(request: Request, error: RequestValidationError):
            side.log(repr(error.body), repr(error.errors()))
            return JSONResponse({"errors": error.errors()}, status_code=418)

        return app

    conform(make, *posting([b'{"a": x}', b"", b'["\xc3\xa9" x]', '{"é" x}'.encode("utf-16")]))


def test_equal_keys_are_one_string_and_order_is_kept(conform):
    def make(side):
        app: FastAPI = side.FastAPI()

        @app.post("/")
        async def endpoint(body: list[dict[str, int]]):
            side.log(*[list(item) for item in body])
            return body

        return app

    conform(make, post_json("/", b'[{"z": 1, "a": 2}, {"a": 1, "z": 2, "a": 3}]'))
