"""Makes a random application from a seed."""

from __future__ import annotations

import inspect
from random import Random
from typing import TypeVar

from fastapi import Depends

from . import values
from .source import DISPATCHES
from .spec import (
    Application,
    Field,
    Function,
    Handler,
    Middleware,
    Model,
    Mount,
    Parameter,
    Route,
    Router,
    Type,
    Use,
    Validator,
)

T = TypeVar("T")

SCALAR_NAMES = tuple(values.SCALARS)
#: Types in the order of how often applications use them.
_USUAL = ("int", "str", "str", "float", "bool", "int", "str")
_SEGMENTS = ("items", "users", "a", "b", "caf\u00e9", "x.y", "A", "a b", "fixed")
_CONVERTORS = ("int", "float", "path", "uuid", "str")
_ERRORS = (
    'HTTPException(404, "gone")',
    "HTTPException(418)",
    'HTTPException(401, {"why": ["no"]}, {"WWW-Authenticate": "Basic", "X-B": "2"})',
    "HTTPException(204)",
    "HTTPException(304)",
    'HTTPException(499, "odd", headers={"x-failed": "1"})',
    "StarletteHTTPException(404)",
    'StarletteHTTPException(409, "starlette")',
    'ValueError("bad value")',
    'KeyError("key")',
    'CustomError("custom")',
    'NarrowError("narrow")',
    'RequestValidationError([{"type": "own", "loc": ("q",), "msg": "m", "input": 1}])',
    "StopIteration()",
    "LookupError()",
)
_HAS_LIMITS = "max_concurrency" in inspect.signature(Depends).parameters
_CALLED = (
    *("def", "async def", "def", "async def", "class", "instance", "async instance"),
    *("method", "partial", "generator", "async generator"),
    *("instance generator", "async instance generator"),
)
_CAUGHT = (
    "raise",
    "raise",
    "raise",
    'raise CustomError("instead")',
    "pass",
    "raise HTTPException(410)",
)

_SCHEMES = (
    'APIKeyHeader(name="X-Key")',
    'APIKeyQuery(name="key", auto_error=False)',
    'APIKeyCookie(name="session")',
    "HTTPBasic()",
    'HTTPBasic(auto_error=False, realm="here")',
    "HTTPBearer()",
    "HTTPBearer(auto_error=False)",
    'OAuth2PasswordBearer(tokenUrl="token")',
)


class Generator:
    """Makes the parts of one application.

    Args:
        rng: where chance comes from: the same state makes the same application.
    """

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.models: dict[str, Model] = {}
        self.dependencies: list[Function] = []
        self._count = 0

    def application(self) -> Application:
        """Return an application."""
        for _ in range(self.rng.randrange(4)):
            self._add_model()
        for _ in range(self.rng.choice((0, 1, 2, 4, 6))):
            self._add_dependency()
        replacements = []
        for _ in range(self.rng.randrange(3)):
            function = self._function("replacement", self.some("def", "async def"), ())
            function.result = self._result(function)
            replacements.append(function)
        made = Application(
            options=self._application_options(),
            models=list(self.models.values()),
            dependencies=self.dependencies,
            replacements=replacements,
            handlers=self._handlers(),
            middleware=[self._middleware() for _ in range(self.some(0, 0, 0, 1, 1, 2, 3))],
        )
        made.postponed = self.chance(0.15)
        made.router = self._router(0)
        made.router.name = "app"
        made.router.prefixes = [""]
        made.router.options = {}
        return made

    def chance(self, of: float) -> bool:
        """Return True that often."""
        return self.rng.random() < of

    def some(self, *choices: T) -> T:
        """Return one of these."""
        return self.rng.choice(choices)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    # --- types, models ----------------------------------------------------------------------------

    def _scalar(self) -> Type:
        names = _USUAL if self.chance(0.6) else SCALAR_NAMES
        return Type(self.rng.choice(names))

    def _text_type(self) -> Type:
        """Return a type that a query, header or cookie can hold."""
        kind = self.rng.random()
        if kind < 0.55:
            return self._scalar()
        if kind < 0.75:
            return Type("Optional", [self._scalar()])
        if kind < 0.8:
            return Type("Union", [self._scalar(), self._scalar()])
        sequence = Type(self.some("list", "list", "set", "tuple"), [self._scalar()])
        return Type("Optional", [sequence]) if self.chance(0.25) else sequence

    def _json_type(self, depth: int = 0) -> Type:
        """Return a type that a JSON body can hold."""
        kind = self.rng.random()
        if self.models and kind < 0.3:
            return Type(self.rng.choice(list(self.models)))
        if depth > 1 or kind < 0.6:
            return self._scalar()
        if kind < 0.72:
            return Type("Optional", [self._json_type(depth + 1)])
        if kind < 0.78:
            return Type("Union", [self._json_type(depth + 1), self._json_type(depth + 1)])
        if kind < 0.9:
            inner = self._json_type(depth + 1)
            name = "list" if inner.name not in SCALAR_NAMES else self.some("list", "set", "tuple")
            return Type(name, [inner])
        if kind < 0.97:
            return Type("dict", [Type(self.some("str", "str", "int")), self._json_type(depth + 1)])
        return Type("Any")

    def _constraints(self, of: Type) -> dict[str, str]:
        inner = of.arguments[0] if of.name == "Optional" else of
        scalar = values.SCALARS.get(inner.name)
        if scalar is None or not scalar.constraints or self.chance(0.7):
            return {}
        return dict([self.rng.choice(scalar.constraints)])

    def _default(self, of: Type) -> str:
        if of.name == "Optional" and self.chance(0.7):
            return "None"
        return values.python(self.rng, of, self.models, 2)

    def _add_model(self) -> None:
        bases = [name for name, model in self.models.items() if model.base == "BaseModel"]
        base = self.some("BaseModel", "BaseModel", "BaseModel", "dataclass", "TypedDict")
        if bases and self.chance(0.3):
            base = self.rng.choice(bases)
        model = Model(self._name("Model"), base)
        for number in range(self.rng.randrange(1, 5)):
            model.fields.append(self._field(model, f"{self.some('f', 'name', 'x')}{number}"))
        if base in ("BaseModel", *bases):
            self._configure(model)
        self.models[model.name] = model

    def _field(self, model: Model, name: str) -> Field:
        of = self._json_type(1)
        one = Field(f"{name}_{model.name.lower()}", of)
        if self.chance(0.4):
            one.default = self._default(of)
        if model.base in ("dataclass", "TypedDict"):
            # Its class has no room for them; a mutable default is refused.
            if of.name not in SCALAR_NAMES:
                one.default = None
            return one
        one.options = self._constraints(of)
        if self.chance(0.25):
            one.options["alias"] = f'"{self.some("al", "camelName", "x-y")}{self._name("")}"'
        if self.chance(0.1):
            one.options["exclude"] = "True"
        if one.default is not None and self.chance(0.1):
            one.options["validate_default"] = "True"
        return one

    def _configure(self, model: Model) -> None:
        for name, choices in (
            ("extra", ('"forbid"', '"allow"', '"ignore"')),
            ("populate_by_name", ("True",)),
            ("str_strip_whitespace", ("True",)),
            ("strict", ("True",)),
            ("from_attributes", ("True",)),
        ):
            if self.chance(0.1):
                model.config[name] = self.rng.choice(choices)
        modes: list[str] = []
        for _ in range(self.some(0, 0, 0, 1, 2)):
            mode = self.some("before", "after", "model", "serializer", "computed")
            if mode in modes:
                continue
            modes.append(mode)
            field = self.rng.choice(model.fields)
            refuses = values.python(self.rng, field.type, self.models, 3)
            refused = refuses if mode in ("before", "after") and self.chance(0.5) else None
            model.validators.append(Validator(mode, field.name, refused))

    # --- functions --------------------------------------------------------------------------------

    def _parameter(self, places: tuple[str, ...]) -> Parameter:
        place = self.rng.choice(places)
        if place == "Body":
            return self._body_parameter()
        if place == "File":
            return self._file_parameter()
        flat = [name for name, model in self.models.items() if self._is_flat(model)]
        if flat and self.chance(0.1):
            return Parameter(self._name("m"), place, Type(self.rng.choice(flat)))
        of = self._text_type()
        one = Parameter(self._name(self.some("p", "q", "some_name", "x_y")), place, of)
        if self.chance(0.5):
            one.default = self._default(of)
        one.options = self._constraints(of)
        if self.chance(0.25):
            one.options["alias"] = f'"{self.some("al", "a-b", "A", "x_")}{self._count}"'
        if place == "Header" and self.chance(0.15):
            one.options["convert_underscores"] = "False"
        self._style(one)
        if place == "Query" and not one.options and of.name in SCALAR_NAMES and self.chance(0.5):
            one.place = ""
        return one

    def _is_flat(self, model: Model) -> bool:
        """Return whether a model can stand for a group of parameters."""
        every = values.all_fields(model, self.models)
        scalars = {*SCALAR_NAMES, "Optional"}
        return model.base not in ("dataclass", "TypedDict") and all(
            one.type.name in SCALAR_NAMES
            or (one.type.name in scalars and one.type.arguments[0].name in SCALAR_NAMES)
            for one in every
        )

    def _style(self, one: Parameter) -> None:
        one.annotated = self.chance(0.7)

    def _file_parameter(self) -> Parameter:
        of = Type(self.some("UploadFile", "UploadFile", "bytes"))
        if self.chance(0.3):
            of = Type("list", [of])
        default = None
        if self.chance(0.3):
            of, default = Type("Optional", [of]), "None"
        return Parameter(self._name("file"), "File", of, default, annotated=self.chance(0.7))

    def _body_parameter(self) -> Parameter:
        of = self._json_type()
        one = Parameter(self._name(self.some("body", "item", "data")), "Body", of)
        if self.chance(0.25):
            one.default = self._default(of)
        one.options = self._constraints(of)
        if self.chance(0.2):
            one.options["embed"] = "True"
        if self.chance(0.15):
            one.options["alias"] = f'"{self.some("al", "a-b")}{self._count}"'
        self._style(one)
        if of.name in self.models and not one.options and self.chance(0.7):
            one.place = ""
        return one

    def _function(self, prefix: str, kind: str, places: tuple[str, ...]) -> Function:
        """Return a function with parameters in these places, dependencies and actions."""
        function = Function(self._name(prefix), kind, error=self.rng.choice(_ERRORS))
        if places:
            for _ in range(self.some(0, 1, 1, 2, 3)):
                function.parameters.append(self._parameter(places))
        for _ in range(self.some(0, 0, 1, 1, 2, 3)):
            if self.dependencies:
                function.uses.append(self._use(named=True))
        for injected, how_often in (("request", 0.15), ("response", 0.25), ("tasks", 0.15)):
            if self.chance(how_often):
                function.injected.append(injected)
        if prefix == "dependency" and self.chance(0.1):
            function.injected.append("scopes")
        if kind.endswith("generator"):
            function.caught = self.rng.choice(_CAUGHT)
        function.actions = self._actions(function)
        return function

    def _actions(self, function: Function) -> list[str]:
        actions = []
        name = function.name
        if "response" in function.injected:
            possible = (
                f'response.headers["x-{name}"] = "1"',
                f'response.headers["x-shared"] = "{name}"',
                'response.headers.append("x-many", "v")',
                f'response.set_cookie("c{name}", "v w")',
                'response.set_cookie("gone", max_age=0, httponly=True, samesite="strict")',
                f"response.status_code = {self.some(201, 202, 418, 204)}",
            )
            actions += self.rng.sample(possible, self.rng.randrange(1, 3))
        if "tasks" in function.injected:
            called = self.some("task", "async_task")
            actions.append(f'tasks.add_task({called}, "task {name}", {self.rng.randrange(9)})')
        if self.chance(0.25):
            actions.append(f'VARIABLES[{self.rng.randrange(3)}].set("{name}")')
        if function.kind.startswith("async") and self.chance(0.25):
            actions.append("await asyncio.sleep(0)")
        if "request" in function.injected and self.chance(0.4):
            actions.append(f'request.state.{self.some("a", "b")} = "{name}"')
        if "request" in function.injected and self.chance(0.4):
            actions.append('note("state", request.state._state)')
        self.rng.shuffle(actions)
        return actions

    def _add_dependency(self) -> None:
        if self.chance(0.15):
            self.dependencies.append(Function(self._name("scheme"), self.rng.choice(_SCHEMES)))
            return
        places: tuple[str, ...] = ("Query", "Query", "Header", "Cookie")
        if self.chance(0.1):
            places = (*places, "Body")
        function = self._function("dependency", self.rng.choice(_CALLED), places)
        function.result = self._result(function)
        self.dependencies.append(function)

    def _use(self, *, named: bool) -> Use:
        function = self.rng.choice(self.dependencies)
        use = Use(function.name, cached=self.chance(0.8), annotated=self.chance(0.7))
        if named:
            use.name = self._name("d")
        if function.kind.endswith("generator") and self.chance(0.4):
            use.scope = self.some("function", "request")
        if self.chance(0.1):
            use.scopes = self.some(["read"], ["read", "write"])
        if _HAS_LIMITS and self.chance(0.1):
            use.limit = self.some(1, 2)
        return use

    def _uses(self, how_often: float) -> list[Use]:
        if not self.dependencies or not self.chance(how_often):
            return []
        return [self._use(named=False) for _ in range(self.some(1, 1, 2))]

    def _result(self, function: Function) -> str:
        known = [one.name for one in function.parameters] + [use.name for use in function.uses]
        if known and self.chance(0.6):
            return "{" + ", ".join(f'"{name}": {name}' for name in known) + "}"
        if self.chance(0.04):
            return self.rng.choice(values.UNANSWERABLE)
        return values.python(self.rng, self._json_type(), self.models)

    # --- routes -----------------------------------------------------------------------------------

    def _path(self) -> tuple[str, list[Parameter]]:
        parts: list[str] = []
        parameters: list[Parameter] = []
        for _ in range(self.some(0, 1, 1, 2, 2, 3)):
            if self.chance(0.6):
                parts.append(self.rng.choice(_SEGMENTS))
                continue
            name = self._name("id")
            convertor = self.rng.choice(_CONVERTORS) if self.chance(0.3) else ""
            part = f"{{{name}:{convertor}}}" if convertor else f"{{{name}}}"
            parts.append(part if self.chance(0.85) else f"v-{part}.txt")
            if self.chance(0.9):
                one = Parameter(name, self.some("", "Path"), self._scalar())
                one.options = self._constraints(one.type) if one.place else {}
                parameters.append(one)
            if convertor == "path":
                break
        if self.chance(0.5) and not (parts and parts[-1].endswith(":path}")):
            parts.append(self._name("end"))
        path = "/" + "/".join(parts)
        return (path + "/" if parts and self.chance(0.1) else path), parameters

    def _route(self) -> Route:
        path, parameters = self._path()
        methods = [self.some("GET", "GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE")]
        if self.chance(0.1):
            methods = self.some(["GET", "POST"], ["HEAD", "GET"], ["OPTIONS"], ["PURGE", "PUT"])
        places: tuple[str, ...] = ("Query", "Query", "Query", "Header", "Cookie")
        if methods[0] in ("POST", "PUT", "PATCH"):
            places = ("Query", "Body", "Body", "Body", "Header")
            if self.chance(0.2):
                places = ("Query", "Form", "Form", "File")
        function = self._function("route", self.some("def", "async def"), places)
        function.parameters = parameters + function.parameters
        route = Route(path, methods, function, dependencies=self._uses(0.15))
        self._answer(route)
        return route

    def _answer(self, route: Route) -> None:
        """Choose what a route returns, and what becomes of it."""
        function, options = route.function, route.options
        kind = self.rng.random()
        if kind < 0.2:
            function.result = self._response(function)
        elif kind < 0.55:
            function.result = self._result(function)
        else:
            of = self._json_type()
            function.result = values.python(self.rng, of, self.models)
            if self.chance(0.15):
                function.result = values.python(self.rng, self._json_type(), self.models)
            if self.chance(0.6):
                function.returns = of.text()
            else:
                options["response_model"] = of.text()
            self._filter(options)
        if self.chance(0.2):
            # FastAPI refuses a response model where no body may come.
            bodiless = (204, 304) if function.returns is None and not options else ()
            options["status_code"] = str(self.some(200, 201, 202, 418, *bodiless))
        if self.chance(0.08):
            options["response_class"] = self.some(
                "JSONResponse", "PlainTextResponse", "HTMLResponse"
            )
            if options["response_class"] != "JSONResponse":
                function.result = values.python(self.rng, Type("str"), self.models)
                function.returns = None
                options.pop("response_model", None)

    def _filter(self, options: dict[str, str]) -> None:
        names = [one.name for model in self.models.values() for one in model.fields]
        for name in ("exclude_unset", "exclude_defaults", "exclude_none"):
            if self.chance(0.08):
                options[f"response_model_{name}"] = "True"
        if self.chance(0.08):
            options["response_model_by_alias"] = "False"
        for name in ("include", "exclude"):
            if names and self.chance(0.08):
                chosen = self.rng.sample(names, min(len(names), self.rng.randrange(1, 4)))
                # A dict: the order of a set is chance.
                inner = ", ".join(f'"{one}": True' for one in chosen)
                options[f"response_model_{name}"] = "{" + inner + "}"

    def _response(self, function: Function) -> str:
        background = ""
        if self.chance(0.3):
            called = self.some("task", "async_task")
            background = f', background=BackgroundTask({called}, "own task {function.name}")'
        status = self.some(200, 200, 201, 204, 404, 499)
        headers = self.some("", ', headers={"X-Own": "1", "content-type": "text/own"}')
        return self.some(
            f"JSONResponse({{'a': [1, None, '\\u00e9']}}, {status}{headers}{background})",
            f"PlainTextResponse('text \\u00e9', {status}{headers}{background})",
            f"HTMLResponse('<p>', {status}{headers}{background})",
            f"Response(b'raw', {status}, media_type='image/png'{headers}{background})",
            f"Response(status_code={status}{headers}{background})",
            f"RedirectResponse('/caf\\u00e9 x?y=1#z', {self.some(307, 303)}{background})",
            "PlainTextResponse('large ' * 200)",
            f"StreamingResponse({self.some('stream', 'async_stream')}('stream {function.name}', "
            f"{self.rng.randrange(4)}), {status}{headers}{background})",
        )

    def _router(self, depth: int) -> Router:
        router = Router(self._name("router"), dependencies=self._uses(0.2))
        count = self.some(2, 3, 4, 6) if depth == 0 else self.some(1, 1, 2, 3)
        router.routes = [self._route() for _ in range(count)]
        router.prefixes = [self._prefix() for _ in range(self.some(1, 1, 1, 2))]
        router.children_first = self.chance(0.3)
        if self.chance(0.1):
            router.options["responses"] = '{404: {"description": "none"}}'
        if self.chance(0.1):
            router.options["default_response_class"] = "JSONResponse"
        if depth < 3:
            for _ in range(self.some(0, 0, 1, 1, 2) if depth == 0 else self.some(0, 0, 0, 1)):
                router.children.append(self._router(depth + 1))
        if depth == 0 and self.chance(0.25):
            router.mounts.append(self._mount())
        # Without a prefix, a path may not be empty.
        if depth and self.chance(0.15) and all(router.prefixes):
            router.routes[0].path = ""
            known = {use.name for use in router.routes[0].function.uses}
            function = router.routes[0].function
            function.parameters = [
                one for one in function.parameters if one.place not in ("", "Path")
            ]
            function.result = self._result(function) if known else "1"
            router.routes[0].options.pop("response_model", None)
            function.returns = None
        return router

    def _prefix(self) -> str:
        prefix = self.some("/p", "/q", "/a", "/items", "/v1/x", f"/{self._name('n')}")
        if self.chance(0.1):
            return ""
        if self.chance(0.1):
            return f"{prefix}/{{{self._name('pre')}}}"
        return prefix

    def _mount(self) -> Mount:
        kind = self.some("fastapi", "starlette", "asgi")
        router = Router(self._name("mounted"))
        if kind == "fastapi":
            router = self._router(2)
            router.name = self._name("mounted")
            router.dependencies = []
        return Mount(self.some("/mnt", "/a", "/items", "/sub/deep"), kind, router)

    # --- the application --------------------------------------------------------------------------

    def _application_options(self) -> dict[str, str]:
        options = {}
        if self.chance(0.1):
            options["redirect_slashes"] = "False"
        if self.chance(0.1):
            options["default_response_class"] = self.some("JSONResponse", "PlainTextResponse")
            if options["default_response_class"] != "JSONResponse":
                del options["default_response_class"]
        if self.chance(0.1):
            options["strict_content_type"] = "False"
        if self.chance(0.1):
            options["docs_url"] = "None"
        if self.chance(0.1):
            options["debug"] = "False"
        if self.chance(0.05):
            options["root_path"] = '"/api"'
        return options

    def _handlers(self) -> list[Handler]:
        possible = (
            *("HTTPException", "StarletteHTTPException", "RequestValidationError", "ValueError"),
            *("CustomError", "NarrowError", "404", "500", "Exception", "405", "418"),
            *("ResponseValidationError", "LookupError"),
        )
        chosen = self.rng.sample(possible, self.some(0, 0, 0, 1, 1, 2, 3))
        return [
            Handler(
                error, self._name("handler"), self.some("def", "async def"), self.some(400, 503)
            )
            for error in chosen
        ]

    def _middleware(self) -> Middleware:
        kind = self.some(
            "CORS", "GZip", "TrustedHost", "Session", "decorator", "decorator", "base", "base",
            "asgi", "HTTPSRedirect" if self.chance(0.2) else "decorator",
        )  # fmt: skip
        options: dict[str, str] = {}
        if kind == "CORS":
            options["allow_origins"] = self.some('["*"]', '["https://example.org"]', "[]")
            for name, value in (
                ("allow_credentials", "True"),
                ("allow_methods", '["*"]'),
                ("allow_headers", '["X-Token"]'),
                ("expose_headers", '["X-Seen", "X-Other"]'),
                ("allow_origin_regex", '"https://.*[.]example[.]org"'),
                ("max_age", "5"),
            ):
                if self.chance(0.4):
                    options[name] = value
        elif kind == "GZip":
            options["minimum_size"] = self.some("500", "10", "0")
            if self.chance(0.3):
                options["compresslevel"] = self.some("1", "5")
        elif kind == "TrustedHost":
            options["allowed_hosts"] = '["example.org", "*.example.org"]'
        elif kind == "Session":
            options["secret_key"] = '"secret"'
        elif kind != "HTTPSRedirect":
            options["variable"] = str(self.rng.randrange(3))
            if kind != "asgi" and self.chance(0.6):
                options["does"] = self.some(*DISPATCHES)
            if kind == "asgi" and self.chance(0.4):
                options["edits"] = "True"
        return Middleware(kind, self._name("middleware"), options)
