"""JSON out: what FastAPI's and the standard library's functions write, to the byte.

Each test gives the same value to FastAPI's own functions and to ours, and compares what comes out:
the bytes, or the error's type and text. Where user code runs, what it saw is compared too.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import gc
import ipaddress
import json
import math
import pathlib
import re
import struct
import sys
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, SecretStr, field_serializer

from hyperfastapi import _core

# Containers inside each other that are encoded without Python's own functions.
DEPTH = 128


def outcome(function: Callable[[], Any]) -> Any:
    """What a call comes to: its result, or its error's type and text."""
    try:
        return function()
    except RecursionError:
        return RecursionError  # its text names the place where the limit was met
    except Exception as error:
        return type(error), str(error)


def fastapi_body(value: Any) -> bytes:
    return bytes(JSONResponse(jsonable_encoder(value)).body)


def our_body(value: Any) -> bytes:
    body: bytes = _core.json_encode_response(value, jsonable_encoder)
    return body


def starlette_body(value: Any) -> bytes:
    return bytes(JSONResponse(value).body)


def assert_same_body(value: Any) -> None:
    """For values that user code does not change: both ways out, and a list and a dict around it."""
    for whole in (value, [value, 1], {"key": value, "after": [value]}):
        assert outcome(lambda v=whole: our_body(v)) == outcome(lambda v=whole: fastapi_body(v))
        assert outcome(lambda v=whole: _core.json_dumps(v)) == outcome(
            lambda v=whole: starlette_body(v)
        )


def assert_same_run(make_value: Callable[[list[Any]], Any]) -> Any:
    """For values with user code, which notes in a list what happens to it. Returns the outcome."""
    seen_by_fastapi: list[Any] = []
    seen_by_us: list[Any] = []
    theirs_value, our_value = make_value(seen_by_fastapi), make_value(seen_by_us)
    theirs = outcome(lambda: fastapi_body(theirs_value))
    ours = outcome(lambda: our_body(our_value))
    assert ours == theirs
    assert seen_by_us == seen_by_fastapi
    return ours


# --- Strings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("filler", ["a", "é", "漢", "😀"], ids=["ascii", "latin1", "ucs2", "ucs4"])
def test_a_special_character_is_escaped_at_every_place_of_every_length(filler: str) -> None:
    for length in [*range(1, 40), 255, 256, 257, 300]:
        for place in {*range(min(length, 40)), length - 1}:
            rest = filler * (length - place - 1)
            texts = [filler * place + special + rest for special in '"\\\n\x00\x1f\x7fé漢😀']
            assert our_body(texts) == starlette_body(texts)


def test_every_character_of_the_first_planes_is_written_as_python_writes_it() -> None:
    characters = [chr(code) for code in range(0x11000) if not 0xD800 <= code <= 0xDFFF]
    assert our_body(characters) == starlette_body(characters)
    assert our_body("".join(characters)) == starlette_body("".join(characters))


def test_nothing_but_the_necessary_is_escaped() -> None:
    assert our_body("</script>\u2028\x7f'&") == '"</script>\u2028\x7f\'&"'.encode()


@pytest.mark.parametrize("text", ["", "\n" * 5000, '"' * 17, "a" * 100_000, "é\x01" * 3000])
def test_long_runs_of_one_kind(text: str) -> None:
    assert_same_body(text)
    assert_same_body({text: text})


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "😀\ud800", "é\udc80" * 300])
def test_a_lone_surrogate_raises_unicode_encode_error(text: str) -> None:
    with pytest.raises(UnicodeEncodeError):
        our_body([text])
    assert_same_body(text)
    assert_same_body({text: 1})


# --- Numbers ------------------------------------------------------------------------------------


def test_integers_around_every_power_of_two_and_ten() -> None:
    powers = [base**exponent for base in (2, 10) for exponent in range(130)]
    numbers = [sign * (power + d) for power in powers for d in (-1, 0, 1) for sign in (1, -1)]
    assert our_body(numbers) == fastapi_body(numbers)


def test_an_integer_with_too_many_digits_raises_as_int_does() -> None:
    assert_same_body(10**4299)
    assert_same_body(10**5000)
    assert_same_body({10**5000: 1})


def test_integers_of_any_size_are_written_where_digits_are_not_limited() -> None:
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        for exponent in (300, 308, 309, 4300, 20_000):
            assert_same_body(10**exponent)
            assert_same_body(-(10**exponent) - 1)
    finally:
        sys.set_int_max_str_digits(limit)


@pytest.mark.parametrize(
    "number",
    [
        0.0,
        -0.0,
        0.1,
        1.0,
        100.0,
        1e15,
        1e16,
        123456789012345680.0,
        9007199254740991.0,
        9007199254740993.0,
        0.0001,
        0.00001,
        1e-07,
        1.5e-05,
        1e22,
        1e23,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
        -1.5e-300,
        2e100,
    ],
)
def test_floats_have_the_shortest_digits_and_pythons_exponents(number: float) -> None:
    assert our_body(number) == repr(number).encode()
    assert_same_body(number)


def test_floats_beside_every_power_of_two() -> None:
    numbers = []
    for exponent in range(-1074, 1024):
        power = math.ldexp(1.0, exponent)
        numbers += [power, math.nextafter(power, math.inf), math.nextafter(power, 0.0)]
    assert our_body(numbers).decode() == "[" + ",".join(map(repr, numbers)) + "]"


@given(st.lists(st.integers(0, 2**64 - 1), min_size=50, max_size=50))
def test_floats_of_any_bits(patterns: list[int]) -> None:
    numbers = [struct.unpack("<d", struct.pack("<Q", pattern))[0] for pattern in patterns]
    for number in filter(math.isfinite, numbers):
        assert our_body(number) == repr(number).encode()


@given(st.lists(st.decimals(-1_000_000, 1_000_000, places=4), max_size=50))
def test_floats_of_few_decimals(numbers: list[decimal.Decimal]) -> None:
    assert_same_body([float(number) for number in numbers])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_raises_value_error(number: float) -> None:
    with pytest.raises(ValueError, match="Out of range float values are not JSON compliant"):
        our_body(number)
    assert_same_body(number)
    assert_same_body({number: 1})


# --- Containers and keys ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, True, False, [], (), {}, [[]], [{}], {"a": {}}, ((),)])
def test_constants_and_empty_containers(value: Any) -> None:
    assert_same_body(value)


@pytest.mark.parametrize(
    "value",
    [
        {"_sa": 1, "_sab": 2, "_s": 3, "sa_": 4, "_": 5, "_Sa": 6, "_sé": 7},
        {"_sa_instance_state": object()},
        {"_sa": 1},
        {"a": 1, "_sa": 2},
        {"_saé": 1, "_sa漢": 2, "_sa😀": 3},
        [{"_sa": {"_sa": 1}}, {"b": {"_sa": 1}}],
    ],
)
def test_keys_of_sqlalchemy_are_dropped_by_jsonable_encoder_alone(value: Any) -> None:
    assert_same_body(value)


@pytest.mark.parametrize(
    "value",
    [
        {1: 1, 2.5: 2, None: 3, "x": 5},
        {True: 4, 0: 5},
        {"1": "text", 1: "number"},
        {False: 0, "false": 1},
        {10**30: 1, -1: 2, 1e-7: 3},
        {(1, 2): 3},
        {frozenset(): 1},
        {b"bytes": 1},
        {pathlib.PurePosixPath("/a"): 1},
        {uuid.UUID(int=1): 1},
    ],
)
def test_keys_that_are_not_strings(value: Any) -> None:
    assert_same_body(value)


class Text(str):
    pass


class Number(int):
    def __repr__(self) -> str:
        return "not this"

    __str__ = __repr__


class Real(float):
    def __repr__(self) -> str:
        return "not this"

    __str__ = __repr__


class Color(enum.Enum):
    RED = "red"
    KEYS = {"_sa": 1, "kept": 2}  # noqa: RUF012
    OBJECT = object
    NOT_A_NUMBER = math.nan
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Mode(str, enum.Enum):
    ON = "on"


class Point(collections.namedtuple("Point", ["x", "y"])):
    pass


class Items(list[Any]):
    pass


class Mapping(dict[str, Any]):
    pass


class Item(BaseModel):
    name: str = "a"
    when: datetime.datetime = datetime.datetime(2020, 1, 2, 3, 4, 5)
    price: decimal.Decimal = decimal.Decimal("1.10")
    tags: set[str] = {"x"}
    nothing: int | None = None


@dataclasses.dataclass
class Place:
    street: str = "Main"
    item: Any = dataclasses.field(default_factory=lambda: [datetime.date(2020, 1, 1)])


class Slots:
    __slots__ = ()


class Attributes:
    def __init__(self) -> None:
        self.a = 1
        self._sa = 2
        self.when = datetime.date(2020, 1, 1)


UNCOMMON: dict[str, Any] = {
    "str subclass": Text("é\n"),
    "str subclass as a key": {Text("a"): 1, Text("_sa"): 2},
    "int subclass": Number(5),
    "int subclass beyond 64 bits": Number(10**30),
    "int subclass as a key": {Number(5): 1},
    "float subclass": Real(1.5),
    "float subclass as a key": {Real(1.5): 1},
    "list subclass": Items([1, Items()]),
    "dict subclass": Mapping(a=1, _sa=2),
    "ordered dict": collections.OrderedDict(b=1, a=2),
    "default dict": collections.defaultdict(int, a=1),
    "named tuple": Point(1, 2),
    "enum": Color.RED,
    "enum as a key": {Color.RED: 1, "red": 2},
    "enum with a dict": Color.KEYS,
    "enum with a tuple": Color.PAIR,
    "enum with what is no JSON": Color.OBJECT,
    "enum with NaN": Color.NOT_A_NUMBER,
    "int enum": Level.LOW,
    "int enum as a key": {Level.LOW: 1},
    "str enum": Mode.ON,
    "str enum as a key": {Mode.ON: 1},
    "datetime": datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
    "date": datetime.date(2020, 1, 2),
    "time": datetime.time(1, 2, 3, 4),
    "timedelta": datetime.timedelta(days=1, seconds=2),
    "decimal": [decimal.Decimal("1.10"), decimal.Decimal("2"), decimal.Decimal("1E+3")],
    "decimal NaN": decimal.Decimal("nan"),
    "uuid": uuid.UUID(int=7),
    "bytes": b"text",
    "bytes that are not text": b"\xff",
    "path": pathlib.PurePosixPath("/tmp/a"),
    "pattern": re.compile("a+"),
    "pattern of bytes": re.compile(b"a+"),
    "address": ipaddress.ip_address("127.0.0.1"),
    "set": {1},
    "frozenset": frozenset([2]),
    "deque": collections.deque([1, datetime.date(2020, 1, 1)]),
    "secret": SecretStr("x"),
    "model": Item(),
    "root model": RootModel[list[int]]([1, 2]),
    "models in containers": [{"a": Item(), "b": (Item(name="b"),)}],
    "dataclass": Place(),
    "nested dataclass": Place(item=Place()),
    "object with attributes": Attributes(),
    "object without attributes": Slots(),
    "object": object(),
    "class": int,
    "ellipsis": ...,
    "complex": 1j,
}


@pytest.mark.parametrize("value", UNCOMMON.values(), ids=UNCOMMON.keys())
def test_uncommon_values(value: Any) -> None:
    assert_same_body(value)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.characters(codec=None),
    st.text(alphabet=st.sampled_from('"\\\n\x00\x1f\x7faé漢😀_s')),
    st.sampled_from([f"_sa{i}" for i in range(3)]),
)


def containers(keys: st.SearchStrategy[Any]) -> Callable[[Any], st.SearchStrategy[Any]]:
    def extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        items = st.lists(inner, max_size=6)
        return st.one_of(items, items.map(tuple), st.dictionaries(keys, inner, max_size=6))

    return extend


VALUES = st.recursive(
    st.one_of(SCALARS, st.sampled_from(list(UNCOMMON.values()))),
    containers(st.one_of(st.text(max_size=20), SCALARS)),
)
PLAIN_VALUES = st.recursive(SCALARS, containers(st.text(max_size=40)), max_leaves=60)


@given(VALUES)
def test_any_value(value: Any) -> None:
    assert_same_body(value)


@given(PLAIN_VALUES)
def test_any_value_of_plain_types(value: Any) -> None:
    assert_same_body(value)


# --- User code: what it sees, when, how often ---------------------------------------------------


class Noted:
    """An object whose attributes are asked for, which is noted."""

    def __init__(self, seen: list[Any], name: str, value: Any = 1) -> None:
        self._seen = seen
        self._name = name
        self._value = value

    def keys(self) -> list[str]:
        self._seen.append(("keys", self._name))
        return ["value"]

    def __getitem__(self, key: str) -> Any:
        self._seen.append(("item", self._name, key))
        return self._value


class NotedKey(str):
    """A key whose methods are called, which is noted."""

    seen: list[Any]

    def __new__(cls, text: str, seen: list[Any]) -> NotedKey:
        key = super().__new__(cls, text)
        key.seen = seen
        return key

    def __hash__(self) -> int:
        if hasattr(self, "seen"):
            self.seen.append(("hash", str.__str__(self)))
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        self.seen.append(("eq", str.__str__(self)))
        return super().__eq__(other)

    def startswith(self, *args: Any) -> bool:
        self.seen.append(("startswith", args))
        return super().startswith(*args)


def test_user_code_runs_in_the_order_of_the_document() -> None:
    body = assert_same_run(
        lambda seen: {
            "a": Noted(seen, "first"),
            "b": [1, (Noted(seen, "second"), {"c": Noted(seen, "third")})],
            "d": Noted(seen, "fourth", Noted(seen, "fifth")),
        }
    )
    assert body == (
        b'{"a":{"value":1},"b":[1,[{"value":1},{"c":{"value":1}}]],"d":{"value":{"value":1}}}'
    )


def test_methods_of_keys_are_called_as_often() -> None:
    def make(seen: list[Any]) -> Any:
        value = {
            "plain": 1,
            NotedKey("own", seen): [Noted(seen, "inner")],
            NotedKey("_sa_own", seen): Noted(seen, "dropped"),
            "last": 2,
        }
        seen.clear()
        return value

    assert assert_same_run(make) == b'{"plain":1,"own":[{"value":1}],"last":2}'


@pytest.mark.parametrize(
    "refused", [math.nan, "\ud800", object, Color.NOT_A_NUMBER], ids=["nan", "text", "type", "enum"]
)
def test_what_has_no_json_is_refused_after_all_user_code_has_run(refused: Any) -> None:
    def make(seen: list[Any]) -> Any:
        return [Noted(seen, "before"), refused, Noted(seen, "behind")]

    error = assert_same_run(make)
    assert isinstance(error, tuple)


def test_an_error_of_user_code_is_raised_before_one_of_the_json() -> None:
    def make(seen: list[Any]) -> Any:
        def generator() -> Iterator[int]:
            seen.append("begun")
            yield 1
            raise LookupError("from the generator")

        return [math.nan, generator(), Noted(seen, "never asked")]

    assert assert_same_run(make) == (LookupError, "from the generator")


def test_generators_are_gone_through_once() -> None:
    def make(seen: list[Any]) -> Any:
        def generator() -> Iterator[Any]:
            for i in range(3):
                seen.append(i)
                yield {"i": i}

        return {"a": generator(), "b": [generator()]}

    assert_same_run(make)


def test_serializers_of_models_run_once() -> None:
    def make(seen: list[Any]) -> Any:
        class Model(BaseModel):
            number: int

            @field_serializer("number")
            def serialize(self, number: int) -> str:
                seen.append(number)
                return f"<{number}>"

        return [Model(number=1), {"key": Model(number=2)}]

    assert assert_same_run(make) == b'[{"number":"<1>"},{"key":{"number":"<2>"}}]'


def test_a_list_that_grows_meanwhile_is_followed() -> None:
    def make(_seen: list[Any]) -> Any:
        value: list[Any] = []

        def generator() -> Iterator[int]:
            if len(value) < 6:
                value.append(generator())
            yield len(value)

        value.append(generator())
        return value

    assert assert_same_run(make) == b"[[2],[3],[4],[5],[6],[6]]"


def test_a_list_that_shrinks_meanwhile_is_followed() -> None:
    def make(_seen: list[Any]) -> Any:
        value: list[Any] = []

        def generator() -> Iterator[int]:
            value.clear()
            gc.collect()
            yield 1

        value.extend([["x"], generator(), ["y"], ["z"]])
        return value

    assert assert_same_run(make) == b'[["x"],[1]]'


def _changing_dict(change: Callable[[dict[Any, Any]], Any]) -> Callable[[list[Any]], Any]:
    def make(_seen: list[Any]) -> Any:
        value: dict[Any, Any] = {}

        def generator() -> Iterator[int]:
            change(value)
            yield 1

        value.update({"a": 1, "b": generator(), "c": 3, "d": ["four"]})
        return value

    return make


def test_a_dict_that_grows_meanwhile_raises_runtime_error() -> None:
    error = assert_same_run(_changing_dict(lambda value: value.update(e=5)))
    assert error[0] is RuntimeError


def test_a_dict_that_is_emptied_meanwhile_raises_runtime_error() -> None:
    error = assert_same_run(_changing_dict(lambda value: value.clear()))
    assert error[0] is RuntimeError


def test_a_key_that_takes_anothers_place_meanwhile_is_left_out() -> None:
    def change(value: dict[Any, Any]) -> None:
        del value["d"]
        value["e"] = 5

    assert_same_run(_changing_dict(change))


def test_a_value_that_is_replaced_meanwhile_is_the_new_one() -> None:
    def change(value: dict[Any, Any]) -> None:
        value["d"] = datetime.date(2020, 1, 1)

    assert assert_same_run(_changing_dict(change)) == b'{"a":1,"b":[1],"c":3,"d":"2020-01-01"}'


def test_a_method_of_a_dict_subclass_is_called_once() -> None:
    def make(seen: list[Any]) -> Any:
        class Own(dict[str, Any]):
            def items(self) -> Any:
                seen.append("items")
                return super().items()

        return Own(a=1)

    seen: list[Any] = []
    assert _core.json_dumps([make(seen)]) == b'[{"a":1}]'
    assert seen == ["items"]
    assert_same_run(make)


# --- Depth --------------------------------------------------------------------------------------


def nested(depth: int, innermost: Any = 1) -> Any:
    value = innermost
    for level in range(depth):
        value = [value] if level % 2 else {"k": value}
    return value


@pytest.mark.parametrize("depth", [DEPTH - 1, DEPTH, DEPTH + 1, 2 * DEPTH, 300])
def test_deep_values(depth: int) -> None:
    assert_same_body(nested(depth))
    assert_same_run(lambda seen: nested(depth, Noted(seen, "innermost")))


@pytest.mark.parametrize("innermost", [1, object()])
def test_a_value_that_is_too_deep_raises_recursion_error(innermost: Any) -> None:
    value = nested(100_000, innermost)
    assert outcome(lambda: our_body(value)) is RecursionError
    assert outcome(lambda: _core.json_dumps(value)) is RecursionError
    while value is not innermost:  # undone step by step: freeing it recurses
        value = value["k"] if isinstance(value, dict) else value[0]


def test_a_container_that_holds_itself_raises() -> None:
    items: list[Any] = [1]
    items.append(items)
    mapping: dict[str, Any] = {}
    mapping["inner"] = [mapping]
    for value in (items, mapping):
        assert outcome(lambda v=value: our_body(v)) is RecursionError
        assert outcome(lambda v=value: fastapi_body(v)) is RecursionError
        assert outcome(lambda v=value: _core.json_dumps(v)) == outcome(
            lambda v=value: starlette_body(v)
        )
        assert outcome(lambda v=value: _core.json_dumps(v))[1] == "Circular reference detected"


def test_user_code_in_a_container_that_holds_itself_runs_as_often() -> None:
    def times(body: Callable[[Any], bytes]) -> int:
        seen: list[Any] = []
        value: list[Any] = [Noted(seen, "again")]
        value.append(value)
        assert outcome(lambda: body(value)) is RecursionError
        return len(seen)

    # Before Python 3.11 the call of a C function takes one level of those that recursion has.
    assert times(fastapi_body) - times(our_body) in (0, 2)


# --- Memory -------------------------------------------------------------------------------------


def test_nothing_is_kept_of_a_value() -> None:
    marker = Text("marker")
    key, number = Text("key"), 10**30
    values = [
        [marker, {"k": number}],
        {key: marker},
        [marker, math.nan],
        [marker, object()],
        [{"a": marker, "b": datetime.date(2020, 1, 1)}, "\ud800"],
    ]
    counts = [sys.getrefcount(thing) for thing in (marker, key, number)]
    for value in values:
        outcome(lambda v=value: our_body(v))
        outcome(lambda v=value: _core.json_dumps(v))
    gc.collect()
    assert [sys.getrefcount(thing) for thing in (marker, key, number)] == counts


def test_memory_does_not_grow_with_the_number_of_calls() -> None:
    # An aware datetime's isoformat() fills a cache of the interpreter by and by.
    values = [value for name, value in UNCOMMON.items() if name != "datetime"]
    values += [math.nan, "\ud800", 10**5000, nested(200), "x" * 100_000]

    def run() -> None:
        for value in values:
            outcome(lambda v=value: our_body(v))
            outcome(lambda v=value: _core.json_dumps(v))

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


# --- The functions themselves -------------------------------------------------------------------


def test_both_functions_agree_with_the_standard_library_alone() -> None:
    value = {"a": [1, 2.5, None, True, "é"]}
    expected = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert _core.json_dumps(value) == expected
    assert _core.json_encode_response(value, jsonable_encoder) == expected


# --- The dialect of streams ---------------------------------------------------------------------


@pytest.mark.parametrize("filler", ["a", "é", "漢", "😀"], ids=["ascii", "latin1", "ucs2", "ucs4"])
def test_json_of_a_stream_escapes_what_is_not_ascii(filler: str) -> None:
    for length in [*range(1, 20), 255, 256, 257, 600]:
        texts = [filler * length + special for special in '"\\\n\x00\x1f\x7fé漢😀\ud800']
        assert _core.json_spaced(texts) == json.dumps(texts).encode()


def test_json_of_a_stream_has_spaces_and_null_for_what_is_not_finite() -> None:
    value = {"a": [1, 2.5, None, True, (), {}], "b": {"c": [[]]}, "": 1e22}
    assert _core.json_spaced(value) == json.dumps(value).encode()
    assert _core.json_spaced([float("nan"), float("inf"), -0.0]) == b"[null, null, -0.0]"
    assert _core.json_spaced({"_sa_x": 1, "a": 2}) == b'{"a": 2}'


@pytest.mark.parametrize("value", [object(), {1: 2}, [b"bytes"], {"a": {3}}, nested(DEPTH + 1)])
def test_json_of_a_stream_is_left_to_python_where_it_takes_more_than_builtins(value: Any) -> None:
    assert _core.json_spaced(value) is None
