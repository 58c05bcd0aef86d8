"""How the wire's bytes become strings: queries, headers, cookies and paths."""

import pytest
from fastapi import Cookie, Header, Query, Request

from ..requests import get
from .places import declared, echo


def everything(side):
    """Notes all that Starlette makes of the query, the headers and the cookies."""
    app = side.FastAPI()

    @app.get("/{path:path}")
    async def endpoint(
        request: Request,
        path: str,
        a: str | None = None,
        b: list[str] = Query(default=["default"]),
        x_a: str | None = Header(default=None),
        x_b: list[str] = Header(default=[]),
        c: str | None = Cookie(default=None),
    ):
        side.log(path, a, b, x_a, x_b, c)
        side.log(repr(request.query_params.multi_items()), repr(request.cookies))
        return [path, a, b, x_a, x_b, c]

    return app


QUERIES = [
    "", "?", "?a", "?a=", "?=a", "?=", "?a=1", "?a=1&a=2", "?a=1&b=2&b=3", "?b=&b=", "?b",
    "?a=b=c", "?a=1;b=2", "?a=1;a=2", "?a=+", "?a=%20", "?a=%2B", "?a+b=c", "?a=1&&b=2", "?&",
    "?&&a=1&", "?a=%C3%A9", "?a=%E9", "?a=%FF%FE", "?a=%C3", "?%C3%A9=1", "?a=%",
    "?a=%4", "?a=%zz", "?a=%00",
    "?a=%26&b=%3D", "?a=?b=/", "?a=#b", "?A=1", "?a=[]&b[]=1", "?a=%0a",
    "?a=%F0%9F%98%80", "?a=%ED%A0%80", "?a=%C0%80", "?" + "&".join(f"b={i}" for i in range(100)),
    "?%61=1", "?a%3D1=2", "?b=%2C&b=1,2", "?a=1%262", "?a='\"<>`", "?a=~!*()", "?a=1&a=",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:30])
def test_a_query_is_split_and_decoded(conform, query):
    """C41, C42, B33: parse_qsl with blanks; the last of a scalar, all of a list, in order."""
    conform(everything, get("/" + query))


COOKIES = [
    ["c=1"], ["c=1; c=2"], ["c=1", "c=2"], ["c"], ["=c"], ["c="], ["c=;"], [";;c=1;;"], ["c=1;d"],
    ['c="quoted"'], ['c="a\\"b"'], ['c="\\303\\251"'], ['c="a;b"'], ['c="unfinished'], ["c=a=b"],
    ["c = 1"], [" c=1 "], ["c=1,d=2"], ["c=%20"], ["c=é"], ["C=1"], ["c=a b"], ["c=\t1"],
    ["c=[]{}"],
    ["d=1; c=2; e=3"], ["c=1; $Path=/; d"], ["c=" + "x" * 3000], ['c="\\101\\400"'], ["c=\\"], [""],
]  # fmt: skip


@pytest.mark.parametrize("cookies", COOKIES, ids=lambda cookies: "|".join(cookies)[:30])
def test_cookies_are_split_as_browsers_write_them(conform, cookies):
    """C42, C54: the last of a name wins, also across fields; quotes and escapes are undone."""
    conform(everything, get("/", *[b"cookie: " + cookie.encode() for cookie in cookies]))


HEADERS = [
    ["x-a: 1"], ["X-A: 1"], ["x-a: 1", "x-a: 2"], ["x-b: 1", "X-B: 2", "x-b: 3"], ["x_a: 1"],
    ["x-a:"], ["x-a: a, b"], ["x-b: a, b"], ["x-a: é"], ["x-a: \xff\xfe"], ["x-a: a  b"],
    ["x-b: ", "x-b:"], ["x_b: 1", "x-b: 2"], ["x-a: " + "v" * 5000],
]  # fmt: skip


@pytest.mark.parametrize("lines", HEADERS, ids=lambda lines: "|".join(lines)[:30])
def test_headers_are_latin_1_and_a_hyphen_is_no_underscore(conform, lines):
    """C42, C44: the first of a scalar, all of a list; `x_a` on the wire is not x_a here."""
    conform(everything, get("/", *lines))


PATHS = [
    "/a", "/%C3%A9", "/%FF", "/%2F", "/a%2Fb", "/a/b/", "/%61", "/a%20b", "/a+b", "/%", "/%zz",
    "/a//b", "/./a/../b", "/a%00b", "/a%3Fb", "/a%23b", "/a;b=c", "/a,b", "/%E2%82%AC", "/%25",
    "/%0A", "/a%0Ab", "//",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_is_decoded_once_and_nothing_is_normalised(conform, path):
    """B28, B29, B30: percent-decoding first, U+FFFD for what is no UTF-8, dots and slashes stay."""
    conform(everything, get(path))


@pytest.mark.parametrize("place", ["query", "header", "cookie"])
@pytest.mark.parametrize("value", ["é", "\U0001f600", "ß" * 50, "\u2028", "\u0131"], ids=ascii)
def test_text_beyond_ascii(conform, place, value):
    """What arrives, and how an error shows it, does not depend on the encoding of the place."""
    quoted = "".join(f"%{byte:02X}" for byte in value.encode())
    request = {
        "query": get(f"/async?value={quoted}"),
        "header": get("/async", b"value: " + value.encode()),
        "cookie": get("/async", b"cookie: value=" + value.encode()),
    }[place]
    conform(echo(place, str), request)
    conform(echo(place, int), request)
    conform(echo(place, str, max_length=1), request)


def test_percent_encoding_of_names(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        def endpoint(value: declared("query", str, alias="naïve & co")):
            return value

        return app

    conform(
        make, get("/?na%C3%AFve+%26+co=1"), get("/?na%C3%AFve%20%26%20co=1"), get("/?na%EFve=1")
    )
