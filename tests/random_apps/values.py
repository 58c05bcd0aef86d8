"""Values of each type that the random applications use: as Python, in a query and in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from .spec import Model, Type


@dataclass(frozen=True)
class Scalar:
    """A type with a text form.

    Attributes:
        python: expressions of values.
        texts: texts that FastAPI takes for it in a path, query, header or cookie.
        json: JSON values that it takes in a body.
        constraints: keyword arguments of a parameter or field that fit it.
    """

    python: tuple[str, ...]
    texts: tuple[str, ...]
    json: tuple[Any, ...]
    constraints: tuple[tuple[str, str], ...] = ()


SCALARS = {
    "int": Scalar(
        ("0", "7", "-12", "2**70", "True"),
        ("0", "7", "-12", "+4", "007", "1_0", " 5 ", "99999999999999999999999", "3.0", "1"),
        (0, 7, -12, 3.0, "5", True, 99999999999999999999999),
        (("ge", "3"), ("lt", "8"), ("multiple_of", "2")),
    ),
    "float": Scalar(
        ("0.5", "-1e-07", "1e16", "2.0", 'float("inf")', "3"),
        ("0.5", "-1e-7", "1e400", "2", "inf", "nan", ".5", "1_0.5", " 2.5"),
        (0.5, -1e-7, 2, "2.5", 1e22, 1e16),
        (("gt", "0"), ("le", "2.0")),
    ),
    "str": Scalar(
        ('"plain"', '""', '"caf\\u00e9 \\u2028 <&>"', '"\\U0001f600"', "'quote\"s'"),
        ("plain", "", "caf\u00e9", "a b", "a+b", "a/b", "%41", "\U0001f600", 'q"uote', "x" * 60),
        ("plain", "", "caf\u00e9", "\U0001f600", "a\nb\t\"'\\", "\u2028"),
        (("min_length", "2"), ("max_length", "5"), ("pattern", '"^[a-z]+$"')),
    ),
    "bool": Scalar(
        ("True", "False"),
        ("true", "False", "1", "0", "yes", "off", "t", "ON"),
        (True, False, 1, 0, "yes", "off"),
    ),
    "bytes": Scalar(('b"raw"', 'b"caf\\xc3\\xa9"'), ("raw", "caf\u00e9"), ("raw", "caf\u00e9")),
    "UUID": Scalar(
        ('uuid.UUID("12345678-1234-5678-1234-567812345678")',),
        ("12345678-1234-5678-1234-567812345678", "12345678123456781234567812345678"),
        ("12345678-1234-5678-1234-567812345678",),
    ),
    "date": Scalar(
        ("date(2024, 2, 29)",),
        ("2024-02-29", "1704067200", "2024-01-01T00:00:00"),
        ("2024-02-29", 1704067200),
    ),
    "datetime": Scalar(
        (
            "datetime(2024, 2, 29, 12, 30, 15, 500)",
            "datetime(2024, 2, 29, tzinfo=timezone.utc)",
            "datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=5, minutes=30)))",
        ),
        ("2024-02-29T12:30:15.0005", "2024-02-29 12:30Z", "1704067200", "2024-02-29T00:00+05:30"),
        ("2024-02-29T12:30:15", "2024-02-29T12:30:15Z", 1704067200.5),
    ),
    "time": Scalar(("time(12, 30, 15)",), ("12:30:15", "12:30"), ("12:30:15.5",)),
    "timedelta": Scalar(
        ("timedelta(seconds=90)", "timedelta(days=-1, microseconds=3)"),
        ("PT90S", "90", "1 day, 02:03:04", "-P1D"),
        ("PT90S", 90, 1.5),
    ),
    "Decimal": Scalar(
        ('decimal.Decimal("1.10")', 'decimal.Decimal("3")', 'decimal.Decimal("1E+2")'),
        ("1.10", "3", "1E+2", "-0"),
        ("1.10", 3, 2.5),
        (("max_digits", "4"), ("ge", "0")),
    ),
    "Color": Scalar(("Color.red", "Color.green"), ("red", "green"), ("red", "green")),
    "Level": Scalar(("Level.low", "Level.high"), ("1", "2"), (1, 2, "2", 2.0)),
    'Literal["a", "b"]': Scalar(('"a"', '"b"'), ("a", "b"), ("a", "b")),
}

#: Texts that are wrong for most types, or right for few.
ODD_TEXTS = (
    *(
        "",
        " ",
        "x",
        "1.5",
        "-",
        "null",
        "None",
        "true",
        "red",
        "0x10",
        "1,2",
        "[1]",
        "{}",
        "\u0660",
    ),
    *("12345678-1234-5678-1234-56781234567", "2024-02-30", "\x00", "a\nb", "nan", "3", "c"),
)

#: JSON values that are wrong for most types, or right for few.
ODD_JSON: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, "", "x", "1.5", [], {}, [1], [None], {"a": 1}, {"": None}),
    *([[1, 2]], "2024-02-30", 1e300, 10**30, "\ud800", "a" * 70, [{"name": 1}], float("nan")),
)


def python(rng: Random, of: Type, models: dict[str, Model], depth: int = 0) -> str:
    """Return an expression of a value of a type.

    Args:
        rng: where chance comes from.
        of: the type.
        models: models by name.
        depth: how deep it is inside another value.
    """
    if of.name in SCALARS:
        return rng.choice(SCALARS[of.name].python)
    inner = of.arguments
    if of.name == "Optional":
        return "None" if rng.random() < 0.3 else python(rng, inner[0], models, depth)
    if of.name == "Union":
        return python(rng, rng.choice(inner), models, depth)
    if of.name in ("list", "set", "tuple"):
        items = [python(rng, inner[0], models, depth + 1) for _ in range(rng.randrange(3))]
        listed = f"[{', '.join(items)}]"
        # A set of one: the order of a larger one is chance.
        return {"list": listed, "tuple": f"tuple({listed})", "set": f"set({listed}[:1])"}[of.name]
    if of.name == "dict":
        keys = [python(rng, inner[0], models, depth + 1) for _ in range(rng.randrange(3))]
        pairs = [f"{key}: {python(rng, inner[1], models, depth + 1)}" for key in keys]
        return "{" + ", ".join(pairs) + "}"
    if of.name in models:
        return model_python(rng, models[of.name], models, depth)
    return rng.choice(LOOSE)


def all_fields(model: Model, models: dict[str, Model]) -> list[Any]:
    """Return the fields of a model, those of its bases first."""
    inherited = all_fields(models[model.base], models) if model.base in models else []
    return inherited + model.fields


def model_python(rng: Random, model: Model, models: dict[str, Model], depth: int = 0) -> str:
    """Return an expression of an instance of a model, or of a dict that may fit it."""
    given = []
    for one in all_fields(model, models):
        if one.default is not None and (depth > 2 or rng.random() < 0.5):
            continue
        alias = one.options.get("alias", f'"{one.name}"').strip('"')
        given.append((alias, python(rng, one.type, models, depth + 1)))
    if model.base == "TypedDict" or rng.random() < 0.3:
        return "{" + ", ".join(f'"{name}": {value}' for name, value in given) + "}"
    # By alias through a dict: an alias need not be a name.
    inner = ", ".join(f'"{name}": {value}' for name, value in given)
    return f"make({model.name}, {{{inner}}})"


#: Expressions of values that no declared type holds together.
LOOSE = (
    *(
        "None",
        "1",
        '"text"',
        "[]",
        "{}",
        "[1, 2.5, None, True]",
        '{"a": {"b": [1]}}',
        "1.0",
        "1e100",
    ),
    *('{"x": decimal.Decimal("1.10"), "y": timedelta(seconds=5)}', "datetime(2024, 1, 2, 3, 4, 5)"),
    *(
        '{1: "int key", None: 2, 2.5: 3, True: 4}',
        "(1, 2)",
        "{3}",
        'b"bytes"',
        "Color.red",
        "2**80",
    ),
    *(
        '"caf\\u00e9 \\u2028 \\U0001f600 \\x7f\\x01 </script>"',
        "Path_('a/b')",
        "Level.high",
        "-0.0",
    ),
    *('[uuid.UUID("12345678-1234-5678-1234-567812345678"), date(2024, 2, 29), time(1, 2)]',),
    *(
        "Point(1, 2)",
        "[Point(1, 2), {'p': Point(3, 4)}]",
        "5e-324",
        "123456789.123456789",
        "frozenset()",
    ),
    *("range(3)", "(i * 2 for i in range(3))", "Plain()", "deque([1, 2])", "1e16", "0.1 + 0.2"),
)

#: The same, for values that can't be answered.
UNANSWERABLE = ('float("nan")', '{"a": float("inf")}', '"\\ud800"', "object()", "1j", "lambda: 1")


def text(rng: Random, of: Type, models: dict[str, Model], odd: float) -> str:
    """Return a text for a parameter of a type; `odd` is how often it is a wrong one."""
    if rng.random() < odd:
        return rng.choice(ODD_TEXTS)
    if of.name in SCALARS:
        return rng.choice(SCALARS[of.name].texts)
    if of.arguments:
        return text(rng, rng.choice(of.arguments), models, odd)
    return rng.choice(ODD_TEXTS)


def json(rng: Random, of: Type, models: dict[str, Model], odd: float, depth: int = 0) -> Any:
    """Return a JSON value for a type; `odd` is how often a part of it is a wrong one."""
    if rng.random() < odd / 2:
        return rng.choice(ODD_JSON)
    if of.name in SCALARS:
        return rng.choice(SCALARS[of.name].json)
    inner = of.arguments
    if of.name == "Optional":
        return None if rng.random() < 0.3 else json(rng, inner[0], models, odd, depth)
    if of.name == "Union":
        return json(rng, rng.choice(inner), models, odd, depth)
    if of.name in ("list", "set", "tuple"):
        return [json(rng, inner[0], models, odd, depth + 1) for _ in range(rng.randrange(3))]
    if of.name == "dict":
        return {
            text(rng, inner[0], models, odd): json(rng, inner[1], models, odd, depth + 1)
            for _ in range(rng.randrange(3))
        }
    if of.name in models:
        made = {}
        for one in all_fields(models[of.name], models):
            if rng.random() < (0.5 if one.default is not None else odd / 2):
                continue
            alias = one.options.get("alias")
            name = alias.strip('"') if alias is not None and rng.random() >= odd else one.name
            made[name] = json(rng, one.type, models, odd, depth + 1)
        if rng.random() < odd:
            made[rng.choice(["extra", "", "a.b"])] = rng.choice(ODD_JSON)
        return made
    return rng.choice(ODD_JSON)
