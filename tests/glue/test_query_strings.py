"""Query strings are read as Starlette's QueryParams reads them."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from hyperfastapi import _core

escapes = st.one_of(
    st.sampled_from(["%", "%4", "%zz", "%4g", "%+1", "%2b", "%26", "%3D", "%00", "%%41"]),
    st.text(min_size=1, max_size=2)
    .map(lambda text: text.encode("utf-8", "surrogatepass"))
    .map(lambda data: "".join(f"%{byte:02X}" for byte in data)),
    # Beginnings, middles and ends of characters, in any order.
    st.sampled_from([0x80, 0xBF, 0xC0, 0xC2, 0xDF, 0xE0, 0xA0, 0xED, 0x9F, 0xEF, 0xF0, 0x90, 0xF4])
    .map(lambda byte: f"%{byte:02x}"),
)  # fmt: skip
pieces = st.one_of(
    escapes,
    st.sampled_from([*"abx +&&==;#\0\x80\xe9\xff"]),
)
queries = st.one_of(
    st.lists(pieces, max_size=12).map(lambda found: "".join(found).encode("latin-1")),
    st.binary(max_size=20),
)


@settings(max_examples=250, deadline=None)
@given(queries)
@example(b"")
@example(b"&&a&=&=b&a==b&a=b=c&")
@example(b"a=%F0%9F%92%A9&b=%F0%9F%92&c=%F0%9Fx&d=%ED%A0%80&e=%C3\xa9&f=%C3%28&g=\xc3%A9")
@example(b"a=%E2%82&b=%e2%82%e2%82%ac&c=%f4%90%80%80&d=%C0%AF&e=%F0%90")
def test_pairs_are_those_of_query_params(query: bytes) -> None:
    expected = QueryParams(query)
    assert _core.query_pairs(query) == expected.multi_items()
    for name in [*expected, "a", "b", "", "é", "no such name"]:
        assert _core.query_list(query, name) == expected.getlist(name)
        assert _core.query_last(query, name) == expected.get(name)


def test_names_are_compared_as_they_are_decoded() -> None:
    query = b"a+b=1&a%20b=2&%61%20b=3&a b=4&ab=5&a%2520b=6&a+bc=7"
    assert _core.query_list(query, "a b") == ["1", "2", "3", "4"]
    assert _core.query_list(b"%C3%A9=1&\xe9=2&\xc3\xa9=3&%E9=4", "é") == ["1", "2"]
    assert _core.query_list(b"%E9=1&%EF%BF%BD=2&%F0%90%8F=3", "\ufffd") == ["1", "2", "3"]


@pytest.mark.parametrize("size", [255, 256, 257, 100_000])
def test_long_values_are_decoded_whole(size: int) -> None:
    query = b"v=" + b"\xe9" * size + b"%C3%A9" * size + b"+" + b"%ff" * size
    assert _core.query_last(query, "v") == "é" * size + "é" * size + " " + "\ufffd" * size
    assert _core.query_last(b"v=" + b"a" * size, "v") == "a" * size


def test_what_is_not_bytes_is_refused() -> None:
    with pytest.raises(TypeError, match=re.escape("expected bytes, str found")):
        _core.query_pairs("a=b")
