"""The two JSON dialects: `json.dumps` without an annotation, Pydantic's with one."""

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import re
import uuid
from typing import Any

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticUndefined

from ..requests import get

# Every value is made anew by a function: generators and mutable values are used up.


class Colour(enum.Enum):
    RED = "red"
    TUPLE = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    HELLO = "hello"


@dataclasses.dataclass
class Point:
    x: int
    when: datetime.date = datetime.date(2024, 2, 29)
    inner: "Point | None" = None


class Model(BaseModel):
    a: int
    b: str | None = None
    when: datetime.timedelta = datetime.timedelta(seconds=5)
    price: decimal.Decimal = decimal.Decimal("1.10")


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    some_name: int = Field(1, alias="someName")


class Encoding(BaseModel):
    model_config = ConfigDict(ser_json_timedelta="float", ser_json_bytes="base64")
    when: datetime.timedelta = datetime.timedelta(seconds=5)
    raw: bytes = b"\xff"


class Plain:
    def __init__(self):
        self.b = 1
        self.a = [datetime.date(2024, 1, 1)]
        self._private = "shown"


class Pairs:
    def __iter__(self):
        return iter([("a", 1), ("b", {2})])


class Slots:
    __slots__ = ("a",)


class Text(str):
    pass


class Number(int):
    def __repr__(self):
        return "a number"


class Fraction(float):
    def __repr__(self):
        return "a fraction"


Named = collections.namedtuple("Named", "a b")
UTC = datetime.timezone.utc
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))

VALUES = {
    "none": lambda: None,
    "booleans": lambda: [True, False],
    "integers": lambda: [0, -1, 2**31, 2**53, 2**63, -(2**64), 10**40],
    "floats": lambda: [0.0, -0.0, 1.0, 1.5, 0.1, 1 / 3, 1e15, 1e16, 1e17, 123456789012345680.0],
    "small floats": lambda: [1e-4, 1e-5, 1e-7, 1.5e-10, 5e-324, 2.2250738585072014e-308],
    "large floats": lambda: [1e21, 1e22, 1.7976931348623157e308, 2.0**70, -1e100],
    "not a number": lambda: float("nan"),
    "infinity": lambda: [float("inf"), -float("inf")],
    "text": lambda: ["", "a", "é€😀", "\u2028\u2029", "</script>&'", "\x7f\x80\ufeff\uffff"],
    "escapes": lambda: '"\\/\b\f\n\r\t' + "".join(map(chr, range(32))),
    "a lone surrogate": lambda: "a\ud800",
    "long text": lambda: "é" * 100_000,
    "bytes": lambda: b"abc",
    "bytes of utf-8": lambda: "é".encode(),
    "bytes that are no text": lambda: b"\xff",
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "lists": lambda: [[], [1, [2, [3]]], [None, "a"]],
    "tuples": lambda: (1, (2, "a"), ()),
    "named tuple": lambda: Named(1, "x"),
    "set": lambda: {1},
    "frozenset": lambda: frozenset(["a"]),
    "deque": lambda: collections.deque([1, 2]),
    "generator": lambda: (n for n in range(3)),
    "iterator": lambda: iter([1, 2]),
    "range": lambda: range(3),
    "map": lambda: map(str, [1, 2]),
    "dict": lambda: {"b": 1, "a": {"c": []}, "": None},
    "dict of odd keys": lambda: {5: "a", 1.5: "b", True: "c", None: "d", -0.0: "e"},
    "dict of encoded keys": lambda: {Colour.RED: 1, datetime.date(2024, 1, 1): 2, Level.HIGH: 3},
    "dict of uuid keys": lambda: {uuid.UUID(int=1): 1, pathlib.PurePosixPath("/a"): 2},
    "dict of tuple keys": lambda: {(1, 2): 1},
    "dict with keys of sqlalchemy": lambda: {"_sa_state": 1, "_sabre": 2, "sa": 3},
    "ordered dict": lambda: collections.OrderedDict(b=1, a=2),
    "default dict": lambda: collections.defaultdict(list, a=[1]),
    "counter": lambda: collections.Counter("aab"),
    "mapping": lambda: collections.ChainMap({"a": 1}, {"b": 2}),
    "user dict": lambda: collections.UserDict(a=1),
    "enums": lambda: [Colour.RED, Level.HIGH, Word.HELLO],
    "enum of a tuple": lambda: Colour.TUPLE,
    "enum class": lambda: list(Word),
    "decimals": lambda: [decimal.Decimal(d) for d in ("1", "1.10", "1E+3", "-0", "0.1", "1e-9")],
    "decimal that is no number": lambda: decimal.Decimal("NaN"),
    "datetimes": lambda: [
        datetime.datetime(2024, 2, 29, 1, 2, 3), datetime.datetime(2024, 1, 1, tzinfo=UTC),
        datetime.datetime(2024, 1, 1, 0, 0, 0, 5, tzinfo=EAST), datetime.datetime(1, 1, 1),
        datetime.datetime(2024, 1, 1, 0, 0, 0, 120000),
    ],
    "dates and times": lambda: [
        datetime.date(2024, 2, 29), datetime.time(1, 2), datetime.time(1, 2, 3, 4, tzinfo=UTC),
    ],
    "timedeltas": lambda: [
        datetime.timedelta(seconds=5), datetime.timedelta(days=1, milliseconds=1),
        -datetime.timedelta(hours=1), datetime.timedelta(0),
    ],
    "uuid": lambda: uuid.UUID(int=5),
    "paths": lambda: [pathlib.PurePosixPath("/a/b"), pathlib.PureWindowsPath("c:/a")],
    "addresses": lambda: [
        ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"),
        ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_interface("10.0.0.1/8"),
    ],
    "pattern": lambda: re.compile("^a+$"),
    "secrets": lambda: [pydantic.SecretStr("hidden"), pydantic.SecretBytes(b"hidden")],
    "urls": lambda: [pydantic.HttpUrl("http://example.com/a"), pydantic.AnyUrl("redis://x/0")],
    "name and email": lambda: pydantic.NameEmail("a", "a@example.com"),
    "dataclass": lambda: Point(1, inner=Point(2)),
    "dataclass class": lambda: [Point(1)],
    "model": lambda: Model(a=1),
    "models": lambda: [Model(a=1), {"m": Model(a=2, b="x")}],
    "aliased model": lambda: Aliased(),
    "configured model": lambda: Encoding(),
    "root model": lambda: pydantic.RootModel[list[int]]([1, 2]),
    "object": lambda: Plain(),
    "object of pairs": lambda: Pairs(),
    "object without attributes": lambda: Slots(),
    "bare object": lambda: object(),
    "exception": lambda: ValueError("a"),
    "complex": lambda: 1j,
    "function": lambda: print,
    "type": lambda: int,
    "ellipsis": lambda: ...,
    "undefined": lambda: PydanticUndefined,
    "subclass of str": lambda: Text("é"),
    "subclass of int": lambda: [Number(5), Number(10**30)],
    "subclass of float": lambda: Fraction(1.5),
    "subclass of dict": lambda: type("D", (dict,), {})(a=1),
    "subclass of list": lambda: type("L", (list,), {})([1]),
}  # fmt: skip


def returning(make_value, *annotation, **options):
    """An application that returns the value from an `async def` and from a `def`."""

    def make(side):
        app = side.FastAPI()

        async def endpoint():
            return make_value()

        def sync():
            return make_value()

        for name, function in (("async", endpoint), ("sync", sync)):
            if annotation:
                function.__annotations__["return"] = annotation[0]
            app.get(f"/{name}", **options)(function)
        return app

    return make


ASK = [get("/async"), get("/sync")]


@pytest.mark.parametrize("kind", VALUES)
def test_without_an_annotation(conform, kind):
    """E70, E71, E77: jsonable_encoder, then json.dumps; what neither takes is a 500."""
    conform(returning(VALUES[kind]), *ASK)


@pytest.mark.parametrize("kind", VALUES)
def test_annotated_with_any(conform, kind):
    """E70, E71: Pydantic's dump_json: other floats, decimals, dates and durations."""
    conform(returning(VALUES[kind], Any), *ASK)


def test_the_dialects_differ(conform):
    """E70: so that nobody takes one for the other."""

    def value():
        return [
            decimal.Decimal("1.10"), datetime.timedelta(seconds=5), 1e-7,
            datetime.datetime(2024, 1, 1, tzinfo=UTC),
        ]  # fmt: skip

    plain, _ = conform(returning(value), *ASK)
    annotated, _ = conform(returning(value, Any), *ASK)
    assert plain.wire.endswith(b'[1.1,5.0,1e-07,"2024-01-01T00:00:00+00:00"]')
    assert annotated.wire.endswith(b'["1.10","PT5S",1e-7,"2024-01-01T00:00:00Z"]')


def test_none_is_null(conform):
    """E79: with a length of 4, unless the status allows no body."""
    for annotation in ((), (None,), (type(None),), (Any,)):
        outcome, _ = conform(returning(lambda: None, *annotation), *ASK)
        assert outcome.wire.endswith(b"content-type: application/json\r\n\r\nnull")
    outcome, _ = conform(returning(lambda: None, status_code=204), *ASK)
    assert outcome.wire.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("annotation", [(), (Any,)], ids=["plain", "annotated"])
def test_a_list_that_contains_itself_is_an_error(conform, annotation):
    """E70: of recursion, wherever it shows; the server survives."""

    def value():
        loop: list[Any] = []
        loop.append(loop)
        return loop

    # The text of a RecursionError tells how deep the stack was; what matters is that it is one.
    def make(side):
        app = returning(value, *annotation)(side)

        @app.exception_handler(RecursionError)
        @app.exception_handler(ValueError)
        async def handler(request, error):
            from fastapi.responses import PlainTextResponse

            return PlainTextResponse(type(error).__name__, status_code=500)

        return app

    conform(make, *ASK)


@pytest.mark.parametrize("annotation", [(), (Any,)], ids=["plain", "annotated"])
def test_values_that_change_while_they_are_encoded(conform, annotation):
    """E77: an object's own code may run during encoding: it runs once, in order."""

    def make(side):
        app = side.FastAPI()

        class Noisy:
            def __init__(self, name):
                self.name = name

            def __iter__(self):
                side.log("iterated", self.name)
                return iter([("name", self.name)])

        async def endpoint():
            return {"a": [Noisy("a"), Noisy("b")], "c": Noisy("c")}

        if annotation:
            endpoint.__annotations__["return"] = annotation[0]
        app.get("/")(endpoint)
        return app

    conform(make, get("/"))
