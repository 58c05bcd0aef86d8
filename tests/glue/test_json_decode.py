"""JSON in: what json.loads(bytes) builds, or raises.

Each test gives the same bytes to both. Values are compared with their types, floats by their bits,
dicts in their order.
"""

from __future__ import annotations

import codecs
import gc
import json
import math
import struct
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hyperfastapi import _core

# Containers inside each other that are read without json.loads.
DEPTH = 128


def exact(value: Any) -> Any:
    """A form in which equal means the same: types, order, and the bits of floats."""
    if isinstance(value, dict):
        return ("dict", [(exact(key), exact(item)) for key, item in value.items()])
    if isinstance(value, list):
        return ("list", [exact(item) for item in value])
    if isinstance(value, float):
        return ("float", "nan" if math.isnan(value) else struct.pack(">d", value))
    return (type(value), value)


def outcome(loads: Any, data: bytes) -> Any:
    """The value, or the error with all that it tells."""
    try:
        value = loads(data)
    except RecursionError:
        return RecursionError
    except json.JSONDecodeError as error:
        return type(error), error.msg, error.doc, error.pos, error.lineno, error.colno
    except Exception as error:
        return type(error), str(error)
    return exact(value)


def assert_same(data: bytes | str) -> Any:
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogatepass")
    ours, theirs = outcome(_core.json_loads, data), outcome(json.loads, data)
    assert ours == theirs, data
    return ours


DOCUMENTS = [
    "null true false",
    "null",
    " true\n",
    "\r\t false ",
    "[]",
    "{}",
    "[ ]",
    "{ }",
    "[1]",
    "[1,2 , 3\n]",
    '{"a":1}',
    '{ "a" : 1 , "b" : [ { } ] }',
    '{"a":1,"b":2,"a":3}',
    '{"":0}',
    "[NaN,Infinity,-Infinity]",
    '""',
    '"a"',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u0041\\u00e9\\u6f22\\ud83d\\ude00"',
    '"\\uABCD\\uabcd"',
    '"\x7f\u2028é漢😀"',
    '{"é":1,"\\u0061":2,"a":3}',
]
MISTAKES = [
    "",
    " ",
    "nul",
    "nulll",
    "tru",
    "falsy",
    "Nan",
    "NaNs",
    "-NaN",
    "Infinit",
    "-Infinit",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "1.5e-",
    "1_000",
    "1 2",
    "0x10",
    "[",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "]",
    "{",
    "{a:1}",
    "{'a':1}",
    '{"a"',
    '{"a":',
    '{"a":}',
    '{"a" 1}',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{"a":1 "b":2}',
    '{"a":1]',
    "{1:2}",
    '"',
    '"abc',
    '"abc' + "x" * 40,
    '"\\',
    '"\\"',
    '"\\u12"',
    '"\\u12x4"',
    '"\\u 123"',
    '"\\u+123"',
    '"\\ud800\\u12"',
    '"\\x41"',
    '"\\a"',
    '"\\\x01"',
    '"\\é"',
    '"a\nb"',
    '"a\x00b"',
    '"\x1f"',
    '"' + "y" * 30 + '\t"',
    "é",
    "[é]",
    "\u00a0[]",
    "\x0b[]",
    "[]\x00",
    "/* */[]",
]


@pytest.mark.parametrize("texts", [DOCUMENTS, MISTAKES], ids=["documents", "mistakes"])
def test_documents_and_mistakes(texts: list[str]) -> None:
    for text in texts:
        assert_same(text)
        assert_same(f"[0, {text} ]")
        assert_same(f'{{"key":{text},"other":0}}')


def test_documents_that_end_too_soon() -> None:
    for text in DOCUMENTS:
        for end in range(len(text)):
            assert_same(text[:end])


def test_every_byte_in_every_context() -> None:
    for byte in range(256):
        for template in (
            b"%b",
            b"1%b",
            b'"%b"',
            b'"\\%b"',
            b'["0123456789abcdefgh%bijk"]',
            b"[%b]",
        ):
            assert_same(template % bytes([byte]))


# --- Strings ------------------------------------------------------------------------------------


def test_a_special_character_at_every_place_of_every_length() -> None:
    for special in ('\\"', "\\n", "\\u0041", "\\ud800", "é", "漢", "😀", "\x01"):
        for length in range(36):
            for place in range(length + 1):
                text = "a" * place + special + "b" * (length - place)
                assert_same(f'{{"{text}":"{text}"}}')


SURROGATES = [
    "\\ud800",
    "\\udc00",
    "\\udc00\\ud800",
    "\\ud800\\ud800\\udc00",
    "\\ud800\\n\\udc00",
    "\\ud83d\\ude00\\ud83d",
    "\\ud800x",
    "\\ud800\\u0041",
    "\\uD83D\\uDE00é",
    "\ud800",  # as three bytes that strict UTF-8 refuses
    "\ud83d\ude00",
    "\ud83d\\ude00",
    "\\ud83d\ude00",
]


def test_surrogates_are_joined_or_left_alone() -> None:
    for text in SURROGATES:
        assert_same(f'"{text}"')
        assert_same(f'{{"{text}":"é{text}"}}')


NOT_UTF8 = [
    b'"\x80"',
    b'"\xc3"',
    b'"\xc3("',
    b'"\xc0\x80"',
    b'"\xe0\x80\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xff"',
    b'["ok", "\xe6\xbc"]',
    b'{"\xff":1}',
    b'"\\n\xff"',
    b"\xff",
]


def test_what_is_not_utf8_raises_as_python_does() -> None:
    for data in NOT_UTF8:
        assert assert_same(data)[0] is UnicodeDecodeError


@pytest.mark.parametrize(
    "encoding",
    ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"],
)
def test_other_encodings_are_told_as_python_tells_them(encoding: str) -> None:
    for text in ("1", "12", "[]", '"a"', '{"a":"é漢"}', "null", "[1", " 5"):
        assert_same(text.encode(encoding))


MARKS = [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE, b"\0"]


def test_a_byte_order_mark_alone() -> None:
    for mark in MARKS:
        assert_same(mark)
        assert_same(mark * 2)


def test_equal_keys_of_a_document_are_one_object() -> None:
    first, second = _core.json_loads(b'[{"some key":1},{"some key":2}]')
    assert next(iter(first)) is next(iter(second))


def test_keys_that_differ_in_one_byte_are_told_apart() -> None:
    for length in range(1, 60, 7):
        keys = ["k" * place + "x" + "k" * (length - place - 1) for place in range(length)]
        document = json.dumps([{key: key} for key in [*keys, "k" * length]])
        for _ in range(2):
            assert_same(document)


def test_more_keys_than_are_kept() -> None:
    assert_same(json.dumps({f"key {i}": i for i in range(5000)}))


# --- Numbers ------------------------------------------------------------------------------------


def test_integers_around_every_power_of_two_and_ten() -> None:
    powers = [base**exponent for base in (2, 10) for exponent in range(130)]
    assert_same(
        json.dumps([s * (power + d) for power in powers for d in (-1, 0, 1) for s in (1, -1)])
    )


def test_an_integer_with_too_many_digits_raises_as_int_does() -> None:
    assert_same("9" * 4300)
    assert_same("[" + "9" * 4301 + "]")
    assert_same("-" + "1" * 100_000)


NUMBERS = [
    "0",
    "-0",
    "0.0",
    "-0.0",
    "0e0",
    "-0e5",
    "0.1",
    "1E5",
    "1e+5",
    "1e-5",
    "1.5e300",
    "1e22",
    "1e23",
    "123456789012345678",
    "1234567890123456789",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "12345678901234567890",
    "0.30000000000000004",
    "9007199254740993.0",
    "9007199254740993e0",
    "9007199254740993000e-3",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "1e308",
    "1e309",
    "-1e400",
    "1e99999999999999999999",
    "1e-99999999999999999999",
    "2.2250738585072014e-308",
    "2.2250738585072011e-308",
    "4.9e-324",
    "2.4703282292062327e-324",
    "2.4703282292062328e-324",
    "0." + "0" * 400 + "1e401",
    "1" + "0" * 400 + "e-400",
    "0.1000000000000000055511151231257827021181583404541015625",
    "1." + "1" * 5000,
    "0.00000000000000000000000000000000000000000000000000000",
    "8.5e-323",
]


def test_numbers() -> None:
    for text in NUMBERS:
        assert_same(text)
        assert_same(f"[{text},{text}]")


@given(st.floats(allow_nan=False))
def test_floats_of_any_bits(number: float) -> None:
    assert_same(repr(number).replace("inf", "Infinity"))
    if math.isfinite(number):
        assert_same(f"{number:.16e}")
        assert_same(f"{number:.19e}")
        assert_same(f"{number:.25e}")


@given(st.integers(0, 10**21), st.integers(-360, 340), st.integers(0, 20))
def test_floats_of_any_digits(digits: int, exponent: int, point: int) -> None:
    text = str(digits).rjust(point + 1, "0")
    text = text[: len(text) - point] + "." + (text[len(text) - point :] or "0")
    assert_same(f"{text}e{exponent}")
    assert_same(text)


def test_floats_half_way_between_two() -> None:
    for exponent in range(-60, 60):
        for odd in (2**53 + 1, 2**53 + 3, 2**54 - 1):
            half = odd * 2**exponent if exponent >= 0 else odd / 2**-exponent
            assert_same(f"{int(half)}.0" if exponent >= 0 else f"{half!r}")
        digits = (2**53 + 1) * 5 ** max(-exponent, 0)
        assert_same(f"{digits}e{exponent}")


# --- Anything -----------------------------------------------------------------------------------


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=40), st.dictionaries(st.text(max_size=60), inner, max_size=8)
    )


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.text(st.characters(codec=None), max_size=5),
)
VALUES = st.recursive(SCALARS, containers, max_leaves=60)


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 1, "\t", " \r\n"]))
def test_any_document(value: Any, ensure_ascii: bool, indent: Any) -> None:
    text = json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)
    assert_same(text)


@given(VALUES, st.data())
def test_any_document_with_a_mistake(value: Any, data: Any) -> None:
    document = bytearray(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(document)))
        document[place : place + data.draw(st.integers(0, 2))] = data.draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b'"', b"\\", b",", b"]", b"}", b"e"]))
        )
    assert_same(bytes(document))


@given(st.binary(max_size=40))
@example(b"\xef\xbb\xbf")
def test_any_bytes(data: bytes) -> None:
    assert_same(data)


# --- Depth and size -----------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [DEPTH - 1, DEPTH, DEPTH + 1, 300])
def test_deep_documents(depth: int) -> None:
    assert_same("[" * depth + "]" * depth)
    assert_same('{"k":[' * (depth // 2) + "]}" * (depth // 2))
    assert_same("[" * depth)


@pytest.mark.parametrize("opening", ["[", '{"k":'])
def test_a_document_that_is_too_deep_raises_recursion_error(opening: str) -> None:
    assert assert_same(opening * 100_000) is RecursionError


def test_lists_of_every_size() -> None:
    for count in (*range(70), 1000):
        assert_same(json.dumps(list(range(count))))
        assert_same(json.dumps([["x"] * count] * 3)[:-1])


# --- Memory -------------------------------------------------------------------------------------


def reference_counts(loads: Callable[[bytes], Any]) -> list[int]:
    value = loads(b'{"a key":["text of a string",[12345678901234567890,1.5]]}')
    text, inner = value["a key"]
    number, real = inner
    return [sys.getrefcount(thing) for thing in (value, value["a key"], text, inner, number, real)]


def test_nothing_else_refers_to_a_value() -> None:
    assert reference_counts(_core.json_loads) == reference_counts(json.loads)


def test_memory_does_not_grow_with_the_number_of_documents() -> None:
    documents = [
        text.encode("utf-8", "surrogatepass")
        for text in [*DOCUMENTS, *MISTAKES, json.dumps(list(range(1000))), "[" * 300]
    ]
    documents += [b'["%b",' % (b"x" * 5000), b'{"a":[1,{"b":"\xff"}]}', b"[" + b"1," * 100 + b"x]"]

    def run() -> None:
        for document in documents:
            outcome(_core.json_loads, document)

    run()
    growths = []
    tracemalloc.start()
    try:
        for _ in range(8):
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(5):
                run()
            gc.collect()
            growths.append(tracemalloc.get_traced_memory()[0] - before)
    finally:
        tracemalloc.stop()
    # A leak would be in each, five objects at least.
    assert min(growths) < 5 * sys.getsizeof(1)


def test_only_bytes_are_read() -> None:
    with pytest.raises(TypeError):
        _core.json_loads("[]")
