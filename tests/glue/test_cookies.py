"""Cookies are read as Starlette's request.cookies reads them."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from hyperfastapi import _core

pieces = st.sampled_from(
    [*'ab==;; ""\\\\\t\n\0,7\x85\xa0\xe9\xff\x1f\x1b', r"\101", r"\351", r"\400", r"\08", "%41"]
)
quoted = st.lists(pieces, max_size=5).map(lambda found: 'a="' + "".join(found) + '"')
values = st.one_of(
    st.lists(st.one_of(pieces, quoted), max_size=10).map(lambda parts: "".join(parts)),
    st.lists(quoted, max_size=3).map("; ".join),
).map(lambda text: text.encode("latin-1"))


def starlette_cookies(*fields: bytes) -> dict[str, str]:
    """What a request with these Cookie fields has."""
    headers = [(b"cookie", value) for value in fields]
    return Request({"type": "http", "headers": headers}).cookies


@settings(max_examples=250, deadline=None)
@given(st.lists(values, max_size=3))
@example([b"c; d=x=y; e=; =f; ; =; g"])
@example([b'a="b"', b"c=d; a=e", b"f"])
@example([rb'a="\\\"\101\351\400\8\x"', b'b="', b'c=""', b'd="\\', b'e="\\"', b'f="\\\n"'])
def test_cookies_are_those_of_the_request(fields: list[bytes]) -> None:
    expected = starlette_cookies(*fields)
    found = _core.cookies(*fields)
    assert list(found.items()) == list(expected.items())
    for name in [*expected, "a", "b", "", "é", "no such name"]:
        assert _core.cookie_last(tuple(fields), name) == expected.get(name)


def test_the_last_cookie_of_a_name_wins_over_all_fields() -> None:
    fields = (b"a=1; b=2; a=3", b"b=4; c=5")
    assert _core.cookies(*fields) == {"a": "3", "b": "4", "c": "5"}
    assert [_core.cookie_last(fields, name) for name in "abcd"] == ["3", "4", "5", None]


def test_long_quoted_values_are_unquoted_whole() -> None:
    for size in [509, 510, 511, 100_000]:
        value = b'"' + b"x" * size + b'\\"' + b'"'
        assert _core.cookies(b"a=" + value) == {"a": "x" * size + '"'}
