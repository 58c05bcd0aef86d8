"""What a random application and the requests to it are, as data that JSON can hold.

Both sides are built from it (see `source`), a failing case is made smaller by leaving parts of it
out (see `shrink`), and a case can be kept as a file.
"""

from __future__ import annotations

import types
import typing
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from tests.differential import Request

T = TypeVar("T")


@dataclass
class Type:
    """A type annotation.

    Attributes:
        name: a scalar's name of `values.SCALARS`, the name of a model, or one of `Optional`,
            `Union`, `list`, `set`, `tuple`, `dict`, `Any`.
        arguments: what it is made of.
    """

    name: str
    arguments: list[Type] = field(default_factory=list)

    def text(self) -> str:
        """Return it as Python has it."""
        inner = [argument.text() for argument in self.arguments]
        if self.name == "Optional":
            return f"Optional[{inner[0]}]"
        if self.name == "tuple":
            return f"tuple[{inner[0]}, ...]"
        if inner:
            return f"{self.name}[{', '.join(inner)}]"
        return {"Decimal": "decimal.Decimal", "UUID": "uuid.UUID"}.get(self.name, self.name)


@dataclass
class Parameter:
    """A parameter of a function that FastAPI fills from the request.

    Attributes:
        name: its name in Python.
        place: `Path`, `Query`, `Header`, `Cookie`, `Body`, `Form`, `File`; empty where FastAPI has
            to guess.
        type: its annotation.
        default: a Python expression, or None where it is required.
        options: arguments of `place`, as Python expressions.
        annotated: whether `place` stands in `Annotated[...]`, or is the default value.
    """

    name: str
    place: str
    type: Type
    default: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    annotated: bool = True

    def wire_name(self) -> str:
        """Return its name in a request."""
        alias = self.options.get("alias")
        if alias is not None:
            return alias.strip('"')
        if self.place == "Header" and self.options.get("convert_underscores") != "False":
            return self.name.replace("_", "-")
        return self.name


@dataclass
class Use:
    """A use of a dependency.

    Attributes:
        dependency: its name.
        name: the parameter that gets its value; empty where it stands in a list of dependencies.
        cached: the argument `use_cache`.
        scope: the argument `scope`, if any.
        scopes: security scopes; `Security` is used where there are any.
        annotated: whether it stands in `Annotated[...]`, or is the default value.
        limit: the argument `max_concurrency`, if any.
    """

    dependency: str
    name: str = ""
    cached: bool = True
    scope: str | None = None
    scopes: list[str] = field(default_factory=list)
    annotated: bool = True
    limit: int | None = None


@dataclass
class Function:
    """A function of the application: a dependency, or a route's.

    Attributes:
        name: its name.
        kind: `def`, `async def`; for dependencies also `class`, `instance` and `async instance`
            (objects to call), `method` (a bound one), `partial`, `generator`, `async generator`,
            `instance generator`, `async instance generator` (objects whose call yields).
        parameters: what it gets from the request.
        uses: the dependencies whose values it gets.
        injected: which of FastAPI's objects it gets: `request`, `response`, `tasks`, `scopes`.
        actions: statements that it executes.
        error: an expression that it raises where its name is in `FAILING`.
        caught: for a generator, the statement that it executes when an exception reaches its
            `yield`: `raise`, another `raise`, or `pass`.
        result: an expression that it returns.
        returns: its return annotation, if any.
    """

    name: str
    kind: str
    parameters: list[Parameter] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)
    injected: list[str] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)
    error: str = 'ValueError("failing")'
    caught: str = "raise"
    result: str = "None"
    returns: str | None = None


@dataclass
class Field:
    """A field of a model; `default` and `options` as those of a `Parameter`."""

    name: str
    type: Type
    default: str | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class Validator:
    """A validator of a model that notes that it ran.

    Attributes:
        mode: `before`, `after` (of a field), `model`, `serializer` (of a field), `computed`.
        field: the field that it is for.
        refuses: a value that it refuses, as Python expression, or None.
    """

    mode: str
    field: str
    refuses: str | None = None


@dataclass
class Model:
    """A pydantic model, or a class of another kind with fields.

    Attributes:
        base: `BaseModel`, the name of another model, `dataclass` or `TypedDict`.
    """

    name: str
    base: str = "BaseModel"
    fields: list[Field] = field(default_factory=list)
    config: dict[str, str] = field(default_factory=dict)
    validators: list[Validator] = field(default_factory=list)


@dataclass
class Route:
    """A route.

    Attributes:
        path: its path, below the prefixes of its routers.
        methods: its methods.
        function: what answers.
        options: further arguments of the decorator, as Python expressions.
        dependencies: uses without a parameter.
    """

    path: str
    methods: list[str]
    function: Function
    options: dict[str, str] = field(default_factory=dict)
    dependencies: list[Use] = field(default_factory=list)


@dataclass
class Mount:
    """A mounted application: `fastapi` with routes of its own, `starlette`, or bare `asgi`."""

    path: str
    kind: str
    router: Router


@dataclass
class Router:
    """A router, or an application's own.

    Attributes:
        prefixes: prefixes that it is included with, once with each.
        options: further arguments of `include_router`, as Python expressions.
        dependencies: uses for all of its routes.
        routes, children, mounts: what it has.
        children_first: whether its children are included before its routes are added.
    """

    name: str
    prefixes: list[str] = field(default_factory=lambda: [""])
    options: dict[str, str] = field(default_factory=dict)
    dependencies: list[Use] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    children: list[Router] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    children_first: bool = False

    def nested(self) -> list[Router]:
        """Return it and all routers below it that are not of mounted applications."""
        found = [self]
        for child in self.children:
            found += child.nested()
        return found


@dataclass
class Middleware:
    """A middleware.

    Attributes:
        kind: one of `source.CLASSES`, `decorator`, `base` (a BaseHTTPMiddleware) or `asgi`.
        options: arguments, as Python expressions; for the last three kinds, see `source`.
    """

    kind: str
    name: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class Handler:
    """A handler of exceptions.

    Attributes:
        error: the class or status code, as Python expression.
        kind: `def` or `async def`.
        status: status of its response.
    """

    error: str
    name: str
    kind: str
    status: int


@dataclass
class Application:
    """An application, and what belongs to it.

    Attributes:
        replacements: functions that dependencies are overridden with.
        postponed: whether annotations are texts (``from __future__ import annotations``).
    """

    options: dict[str, str] = field(default_factory=dict)
    models: list[Model] = field(default_factory=list)
    dependencies: list[Function] = field(default_factory=list)
    replacements: list[Function] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    middleware: list[Middleware] = field(default_factory=list)
    router: Router = field(default_factory=lambda: Router("app"))
    postponed: bool = False


@dataclass
class Step:
    """A request, and what is set before it.

    Attributes:
        overrides: pairs of a dependency's name and its replacement's: all that are set.
        replace: whether the dict of overrides is replaced by another, or changed.
        failing: names of the functions that raise.
    """

    request: Request
    overrides: list[list[str]] = field(default_factory=list)
    replace: bool = False
    failing: list[str] = field(default_factory=list)


@dataclass
class Case:
    """An application and the requests to it, one after the other."""

    seed: int
    application: Application
    steps: list[Step]


def to_data(case: Case) -> dict[str, Any]:
    """Return a case as JSON can hold it."""
    return asdict(case)


def from_data(kind: type[T], data: Any) -> T:
    """Return what `to_data` was given, or a part of it.

    Args:
        kind: the class to make.
        data: dicts, lists, texts, numbers and None.
    """
    hints = typing.get_type_hints(kind)
    made = {one.name: _make(hints[one.name], data[one.name]) for one in fields(kind)}  # type: ignore[arg-type]
    return kind(**made)


def _make(hint: Any, data: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        return from_data(hint, data)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        return [_make(arguments[0], item) for item in data]
    if origin is dict:
        return dict(data)
    if origin in (typing.Union, types.UnionType):
        return data
    return data
