"""Every scalar type from every place, in all the spellings that it accepts and refuses."""

import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid
from typing import Annotated, Any, Literal, NewType

import pydantic
import pytest
from pydantic import AfterValidator, BeforeValidator, PlainValidator, WrapValidator
from typing_extensions import TypeAliasType

from ..requests import get
from .places import PLACES, asking, declared, echo


class Colour(str, enum.Enum):
    RED = "red"
    BLUE = "bl ue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Mixed(enum.Enum):
    TEXT = "text"
    NUMBER = 7
    NOTHING = None


def doubled(value):
    return value * 2


def refused(value):
    if value == "no":
        raise ValueError("refused, for a reason")
    assert value != "never", "asserted"
    return value


def around(value, handler):
    return f"<{handler(value.strip())}>"


INTEGERS = [
    "1",
    "-1",
    "+1",
    "007",
    "1_000",
    "1.0",
    "1.5",
    "1e3",
    "0x10",
    "x",
    "",
    " 1",
    "٣",
    "9" * 40,
]
FLOATS = [
    "1",
    "1.5",
    "-0",
    "1e3",
    "1E-3",
    ".5",
    "5.",
    "inf",
    "-Infinity",
    "nan",
    "1_0.5",
    "x",
    "1e999",
]
BOOLEANS = [
    "true", "True", "TRUE", "t", "T", "yes", "y", "Y", "on", "ON", "1",
    "false", "f", "no", "n", "off", "0", "tRuE", "2", "", "maybe", "None", "1.0", "01",
]  # fmt: skip
TYPES: dict[str, tuple[Any, list[str]]] = {
    "int": (int, INTEGERS),
    "float": (float, FLOATS),
    "bool": (bool, BOOLEANS),
    "str": (str, ["a", "", "é", "a b", "1", "\U0001f600", "a" * 2000]),
    "decimal": (decimal.Decimal, ["1", "1.10", "-1E+5", "NaN", "Infinity", "x", "", "1_0"]),
    "bytes": (bytes, ["a", "é", ""]),
    "date": (
        datetime.date,
        ["2024-02-29", "2023-02-29", "1700000000", "2024-02-29T00:00:00", "2024-02-29T01:00", "x"],
    ),
    "datetime": (
        datetime.datetime,
        [
            "2024-02-29T01:02:03", "2024-02-29 01:02", "2024-02-29T01:02:03.123456789Z",
            "2024-02-29T01:02:03+02:00", "1700000000", "1700000000.5", "1700000000000",
            "2024-02-29", "2024-02-29T25:00", "x", "",
        ],
    ),
    "time": (datetime.time, ["01:02", "01:02:03.5", "01:02:03Z", "25:00", "3600", "x"]),
    "timedelta": (datetime.timedelta, ["P1DT2H", "1.5", "01:02:03", "-PT5S", "3 days 01:00", "x"]),
    "uuid": (
        uuid.UUID,
        [
            "12345678-1234-5678-1234-567812345678", "12345678123456781234567812345678",
            "{12345678-1234-5678-1234-567812345678}",
            "urn:uuid:12345678-1234-5678-1234-567812345678",
            "12345678-1234-5678-1234-56781234567", "x",
        ],
    ),
    "path": (pathlib.PurePosixPath, ["a", "a b", "..", "."]),
    "string enum": (Colour, ["red", "bl ue", "RED", "green", ""]),
    "integer enum": (Size, ["1", "2", "3", "1.0", "SMALL", ""]),
    "mixed enum": (Mixed, ["text", "7", "NUMBER", "None"]),
    "literal": (Literal["a", "b"], ["a", "b", "c", "A", ""]),
    "literal of several types": (Literal["a", 1, True, None], ["a", "1", "true", "None"]),
    "any": (Any, ["a", "1", ""]),
    "optional int": (int | None, ["1", "x", "", "null", "None"]),
    "optional str": (str | None, ["a", "", "null"]),
    "int or str": (int | str, ["1", "x", "1.5", ""]),
    "str or int": (str | int, ["1", "x"]),
    "int, float or bool": (int | float | bool, ["1", "1.5", "true", "x"]),
    "email": (pydantic.EmailStr, ["a@example.com", "A@EXAMPLE.com", "a@b", "a", "a@@example.com"]),
    "http url": (pydantic.HttpUrl, ["http://example.com", "HTTP://Example.COM:80/a", "ftp://a"]),
    "any url": (pydantic.AnyUrl, ["redis://x:1/0", "mailto:a@b.c", "x"]),
    "ipv4": (ipaddress.IPv4Address, ["127.0.0.1", "::1", "256.0.0.1", "1"]),
    "ip": (pydantic.IPvAnyAddress, ["127.0.0.1", "::1", "x"]),
    "network": (ipaddress.IPv4Network, ["10.0.0.0_8", "10.0.0.0"]),
    "strict int": (pydantic.StrictInt, ["1", "x"]),
    "strict str": (pydantic.StrictStr, ["1", "x"]),
    "strict bool": (pydantic.StrictBool, ["true", "1"]),
    "byte size": (pydantic.ByteSize, ["1KB", "1.5MiB", "1", "x"]),
    "secret": (pydantic.SecretStr, ["hidden", ""]),
    "positive int": (pydantic.PositiveInt, ["1", "0", "-1", "x"]),
    "past date": (pydantic.PastDate, ["2000-01-01", "9000-01-01"]),
    "aware datetime": (pydantic.AwareDatetime, ["2024-02-29T01:02:03Z", "2024-02-29T01:02:03"]),
    "base64": (pydantic.Base64Str, ["aGk=", "aGk", "?"]),
    "json of an int": (pydantic.Json[int], ["1", '"1"', "x", "[1]", ""]),
    "json of a list": (pydantic.Json[list[int]], ["[1, 2]", "[]", '["x"]', "1", "[1"]),
    "json": (pydantic.Json, ['{"a": [1, null]}', "nul", "1e5", '"é"']),
    "new type": (NewType("UserId", int), ["1", "x"]),
    "type alias": (TypeAliasType("Number", int), ["1", "x"]),
    "annotated type": (Annotated[int, pydantic.Field(gt=1)], ["2", "1"]),
    "before validator": (Annotated[int, BeforeValidator(doubled)], ["1", "x"]),
    "after validator": (Annotated[int, AfterValidator(doubled)], ["1", "x"]),
    "wrap validator": (Annotated[str, WrapValidator(around)], [" a ", "b"]),
    "plain validator": (Annotated[int, PlainValidator(doubled)], ["1", "x"]),
    "raising validator": (Annotated[str, AfterValidator(refused)], ["yes", "no", "never"]),
    "stripped": (Annotated[str, pydantic.StringConstraints(strip_whitespace=True)], [" a ", ""]),
    "lower case": (Annotated[str, pydantic.StringConstraints(to_lower=True)], ["AB", "Ä"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "kind"),
    [(p, k) for p in PLACES for k in TYPES if (p, k) != ("path", "json of a list")],
)
def test_values_and_errors_of(conform, place, kind):
    """B31, C44, C45: what converts, to what, and how errors name it; never 404 for a bad value."""
    annotation, values = TYPES[kind]
    if place in ("header", "cookie"):
        # What is not ASCII is the matter of test_text.py.
        values = [value for value in values if value.isascii()]
    conform(echo(place, annotation), *asking(place, *values))


@pytest.mark.parametrize("kind", TYPES)
def test_a_missing_value_of(conform, kind):
    """C46: `missing`, with `input` null; with a default, the default."""
    annotation, _ = TYPES[kind]

    def make(side):
        app = side.FastAPI()

        @app.get("/required")
        async def required(
            query: declared("query", annotation),
            header: declared("header", annotation),
            cookie: declared("cookie", annotation),
        ):
            side.log("never called")

        @app.get("/optional")
        def optional(
            query: declared("query", annotation) = None,
            header: declared("header", annotation) = 5,
            cookie: declared("cookie", annotation) = "default",
        ):
            side.log(repr((query, header, cookie)))

        return app

    conform(make, get("/required"), get("/optional"))
