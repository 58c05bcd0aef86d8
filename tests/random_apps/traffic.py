"""Makes random requests to an application: right ones, nearly right ones, and wrong ones."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from random import Random
from urllib.parse import quote, quote_plus

from tests.differential import Request

from . import values
from .spec import Application, Function, Model, Parameter, Route, Router, Step, Type, Use

_PLACEHOLDER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_CONVERTOR_TYPES = {"int": "int", "float": "float", "uuid": "UUID", "path": "str", "str": "str"}


@dataclass(frozen=True)
class Target:
    """A route with its whole path."""

    path: str
    route: Route


def _targets(router: Router, prefix: str = "") -> list[Target]:
    found = [Target(prefix + route.path, route) for route in router.routes]
    for child in router.children:
        for own in child.prefixes:
            found += _targets(child, prefix + own)
    for mount in router.mounts:
        found += _targets(mount.router, prefix + mount.path)
    return found


class Traffic:
    """Makes requests to one application.

    Args:
        rng: where chance comes from.
        application: what they are for.
    """

    def __init__(self, rng: Random, application: Application) -> None:
        self.rng = rng
        self.application = application
        self.models: dict[str, Model] = {model.name: model for model in application.models}
        self.functions = {one.name: one for one in application.dependencies}
        self.targets = _targets(application.router)
        self.mounts = [mount.path for mount in application.router.mounts]
        #: How often a part of the request is wrong, decided for each.
        self.odd = 0.0
        self._overrides: list[list[str]] = []

    def step(self) -> Step:
        """Return a request, and what is set before it."""
        target = self.rng.choice(self.targets)
        self.odd = self.rng.choice((0.0, 0.0, 0.0, 0.05, 0.2))
        step = Step(self._request(target))
        self._override()
        step.overrides = [list(pair) for pair in self._overrides]
        step.replace = self.chance(0.2)
        if self.chance(0.25):
            step.failing = [self.rng.choice(self._names(target))]
        return step

    def chance(self, of: float) -> bool:
        """Return True that often."""
        return self.rng.random() < of

    def _override(self) -> None:
        if not self.application.replacements or not self.functions or self.chance(0.75):
            return
        if self._overrides and self.chance(0.4):
            self._overrides = []
            return
        replacement = self.rng.choice(self.application.replacements)
        # It may use only dependencies that were defined earlier, as the one that it replaces may:
        # so none ever depends on itself.
        names = list(self.functions)
        used = max((names.index(use.dependency) for use in replacement.uses), default=-1)
        if used + 1 == len(names):
            return
        pair = [self.rng.choice(names[used + 1 :]), replacement.name]
        self._overrides = [one for one in self._overrides if one[0] != pair[0]] + [pair]

    def _names(self, target: Target) -> list[str]:
        """Return names of functions, tasks and middleware that the request may reach."""
        function = target.route.function
        names = [function.name, f"task {function.name}", f"own task {function.name}"]
        names.append(f"stream {function.name}")
        for one in self._reached(target):
            names.append(one.name)
            if one.kind.endswith("generator"):
                names.append(f"{one.name} exit")
        return names + [one.name for one in self.application.middleware]

    def _reached(self, target: Target) -> list[Function]:
        """Return the dependencies of a route."""
        found: list[Function] = []

        def visit(uses: list[Use]) -> None:
            for use in uses:
                function = self.functions[use.dependency]
                if function not in found:
                    found.append(function)
                    visit(function.uses)

        visit(self.application.router.dependencies)
        for router in self.application.router.nested():
            if target.route in router.routes:
                visit(router.dependencies)
        visit(target.route.dependencies)
        visit(target.route.function.uses)
        return found

    # --- the request ------------------------------------------------------------------------------

    def _request(self, target: Target) -> Request:
        parameters = [*target.route.function.parameters]
        for function in self._reached(target):
            parameters += function.parameters
        request = Request(self._method(target), self._path(target))
        query = self._query(parameters)
        if query:
            request.target += "?" + query
        request.headers = self._headers(parameters)
        self._body(request, parameters)
        if self.chance(0.04):
            self._browse(request)
        return request

    def _method(self, target: Target) -> str:
        if self.chance(1 - self.odd / 2):
            return self.rng.choice(target.route.methods)
        return self.rng.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"))

    def _segment(self, name: str, convertor: str | None, parameters: list[Parameter]) -> str:
        of = next((one.type for one in parameters if one.name == name), Type("str"))
        if convertor and self.chance(0.8):
            of = Type(_CONVERTOR_TYPES[convertor])
        text = values.text(self.rng, of, self.models, self.odd) or "x"
        # A lone NUL or newline is fine once it is quoted; a slash makes another segment.
        safe = "/" if convertor == "path" or self.chance(0.05) else ""
        return (
            quote(text, safe=safe)
            if self.chance(0.95)
            else quote(text.encode("latin-1", "replace"))
        )

    def _path(self, target: Target) -> str:
        parts = []
        end = 0
        for match in _PLACEHOLDER.finditer(target.path):
            parts.append(quote(target.path[end : match.start()]))
            parts.append(self._segment(match[1], match[2], target.route.function.parameters))
            end = match.end()
        path = "".join(parts) + quote(target.path[end:])
        if "root_path" in self.application.options and self.chance(0.3):
            path = "/api" + path
        if self.chance(self.odd or 0.02):
            path = self._near(path)
        return path or "/"

    def _near(self, path: str) -> str:
        """Return a path that is nearly this one."""
        segments = path.split("/")
        return self.rng.choice(
            (
                path + "/",
                path.rstrip("/") or "/",
                path + "//",
                "/" + path,
                path.upper(),
                path + "%0A",
                path.replace("/", "%2F", 2).replace("%2F", "/", 1),
                "/".join(segments[:-1]) or "/",
                path + "/more",
                path.replace("a", "%61"),
                path + "%ff",
                path + "%zz",
                path + ";v=1",
                "/./" + path.lstrip("/"),
                *(self.mounts or ["/"]),
                *(mount + "/page/1" for mount in self.mounts),
                "/openapi.json" if self.chance(0.3) else "/docs/oauth2-redirect",
            )
        )

    def _texts(self, one: Parameter) -> list[tuple[str, str]]:
        """Return names and texts that a request gives for a parameter."""
        if one.type.name in self.models:
            found = []
            for field in values.all_fields(self.models[one.type.name], self.models):
                alias = field.options.get("alias", f'"{field.name}"').strip('"')
                if self.chance(0.7 if field.default is not None else 1 - self.odd):
                    found.append((alias, values.text(self.rng, field.type, self.models, self.odd)))
            return found
        if self.chance(0.3 if one.default is not None else self.odd / 2):
            return []
        of = one.type.arguments[0] if one.type.name == "Optional" else one.type
        count = 1
        if of.name in ("list", "set", "tuple"):
            count = self.rng.choice((0, 1, 2, 3))
        elif self.chance(0.08):
            count = 2
        name = one.wire_name()
        if self.chance(0.04):
            name = self.rng.choice((name.upper(), one.name, name + "[]", name.replace("-", "_")))
        return [(name, values.text(self.rng, of, self.models, self.odd)) for _ in range(count)]

    def _of_place(self, parameters: list[Parameter], *places: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for one in parameters:
            if one.place in places:
                found += self._texts(one)
        return found

    def _query(self, parameters: list[Parameter]) -> str:
        plain = [one for one in parameters if one.place or one.type.name not in self.models]
        pairs = self._of_place(plain, "Query", "")
        if self.chance(0.15):
            pairs.append((self.rng.choice(("extra", "", "key", "q")), self.rng.choice(("1", ""))))
        if self.chance(0.1):
            self.rng.shuffle(pairs)
        parts = []
        for name, text in pairs:
            how = self.rng.random()
            if how < 0.8:
                parts.append(f"{quote_plus(name)}={quote_plus(text)}")
            elif how < 0.9:
                parts.append(f"{quote(name, safe='')}={quote(text, safe='/:')}")
            elif how < 0.9 + self.odd / 3:
                parts.append(quote(name))
            elif how < 0.96:
                parts.append("".join(f"%{byte:02x}" for byte in name.encode()) + f"={quote(text)}")
            else:
                parts.append(f"{quote_plus(name)}={quote_plus(text)}{self.rng.choice(_QUERY_ENDS)}")
        return self.rng.choice(("&", "&", "&", "&&")).join(parts)

    def _headers(self, parameters: list[Parameter]) -> list[list[str]]:
        host = "example.org"
        if self.chance(0.1):
            host = self.rng.choice(("EXAMPLE.org:8000", "other.net", "sub.example.org", "[::1]:80"))
        headers = [["host", host]]
        for name, text in self._of_place(parameters, "Header"):
            cleaned = re.sub(r"[\x00-\x1f\x7f]", "", text).strip()
            value = cleaned.encode("utf-8").decode("latin-1")
            if name and re.fullmatch(r"[\w.-]+", name) and name.lower() not in _FRAMING:
                headers.append([name if self.chance(0.8) else name.title(), value])
        cookies = self._of_place(parameters, "Cookie")
        if cookies or self.chance(0.05):
            headers += self._cookies(cookies)
        headers += self._credentials()
        if self.chance(0.2):
            headers.append(["accept-encoding", self.rng.choice(("gzip, br", "identity", "x-gzip"))])
        if self.chance(0.2):
            origin = self.rng.choice(("https://example.org", "https://a.example.org", "null"))
            headers.append(["origin", origin])
        if self.chance(0.1):
            headers.append(["x-extra", self.rng.choice(("1", "", "caf\u00e9"))])
        return headers

    def _cookies(self, pairs: list[tuple[str, str]]) -> list[list[str]]:
        texts = []
        for name, text in pairs:
            cleaned = re.sub(r"[\x00-\x1f\x7f;]", "", text)
            value = f'"{cleaned}"' if self.chance(0.1) else cleaned
            texts.append(f"{name}={value}" if self.chance(0.95) else name)
        if self.chance(0.2):
            texts.append(self.rng.choice(("other=1", "=x", "a=b=c", "", " ")))
        lines = [texts] if self.chance(0.85) else [texts[:1], texts[1:]]
        joined = [self.rng.choice(("; ", ";")).join(line) for line in lines]
        return [["cookie", line.strip().encode("utf-8").decode("latin-1")] for line in joined]

    def _credentials(self) -> list[list[str]]:
        headers = []
        if self.chance(0.5) and any(name.startswith("scheme") for name in self.functions):
            headers.append(["authorization", self.rng.choice(_AUTHORIZATIONS)])
            if self.chance(0.5):
                headers.append(["x-key", "secret"])
            if self.chance(0.5):
                headers.append(["cookie", "session=abc"])
        return headers

    # --- the body ---------------------------------------------------------------------------------

    def _body(self, request: Request, parameters: list[Parameter]) -> None:
        wanted = [
            one
            for one in parameters
            if one.place == "Body" or (one.place == "" and one.type.name in self.models)
        ]
        unique = list({one.name: one for one in wanted}.values())
        fields = [one for one in parameters if one.place in ("Form", "File")]
        if fields:
            self._form(request, fields)
            return
        if not unique:
            if self.chance(0.05):
                request.body = '{"unasked": 1}'
            return
        if self.chance(self.odd / 2):
            return
        content = self._content(unique)
        text = self._json_text(content)
        request.body = text.decode("latin-1")
        kind = "application/json"
        if self.chance(self.odd or 0.03):
            kind = self.rng.choice(_CONTENT_TYPES)
        if kind:
            request.headers.append(["content-type", kind])
        if self.chance(0.15):
            request.pieces = self.rng.choice((2, 3))

    def _form(self, request: Request, wanted: list[Parameter]) -> None:
        """Give a request a form's body; one with files must be multipart."""
        pairs = self._of_place(wanted, "Form")
        files = [one for one in wanted if one.place == "File"]
        if not files and self.chance(0.6):
            request.body = "&".join(
                f"{quote_plus(name)}={quote_plus(text)}" for name, text in pairs
            )
            request.headers.append(["content-type", "application/x-www-form-urlencoded"])
            return
        parts = [(f'name="{quote(name)}"', text) for name, text in pairs]
        for one in files:
            for _ in range(self.rng.choice((1, 1, 1, 0, 2))):
                named = f'name="{one.wire_name()}"; filename="{self.rng.choice(_FILE_NAMES)}"'
                parts.append((named, self.rng.choice(("content", "", "\x00\xff", "x" * 3000))))
        body = "".join(
            f"--edge\r\nContent-Disposition: form-data; {named}\r\n\r\n"
            f"{text.encode('utf-8', 'replace').decode('latin-1')}\r\n"
            for named, text in parts
        )
        request.body = body + ("--edge--\r\n" if not self.chance(self.odd / 2) else "")
        edge = "" if self.chance(self.odd / 4) else "; boundary=edge"
        request.headers.append(["content-type", f"multipart/form-data{edge}"])

    def _content(self, wanted: list[Parameter]) -> object:
        embedded = len(wanted) > 1 or "embed" in wanted[0].options
        if not embedded or self.chance(self.odd / 4):
            return values.json(self.rng, wanted[0].type, self.models, self.odd)
        content = {}
        for one in wanted:
            if not self.chance(0.3 if one.default is not None else self.odd / 2):
                content[one.wire_name()] = values.json(self.rng, one.type, self.models, self.odd)
        return content

    def _json_text(self, content: object) -> bytes:
        text = json.dumps(
            content,
            ensure_ascii=self.chance(0.5),
            indent=self.rng.choice((None, None, None, 1)),
            separators=self.rng.choice((None, (",", ":"))),
        )
        how = self.rng.random()
        if how >= self.odd + 0.02:
            return text.encode("utf-8", "surrogatepass")
        how = self.rng.random()
        if how < 0.5:
            return self._broken(text)
        if how < 0.65:
            return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
        if how < 0.8:
            encoding = self.rng.choice(("utf-16", "utf-32-le", "utf-16-be"))
            return text.encode(encoding, "surrogatepass")
        return self.rng.choice(_ODD_BODIES)

    def _broken(self, text: str) -> bytes:
        """Return JSON with one thing wrong, or one thing odd."""
        data = text.encode("utf-8", "surrogatepass")
        at = self.rng.randrange(len(data)) if data else 0
        return self.rng.choice(
            (
                data[:at],
                data[:at] + self.rng.choice(_ODD_BYTES) + data[at:],
                data[:at] + data[at + 1 :],
                data + b" x",
                b" \n\t" + data + b"\r\n ",
                data.replace(b'"', b"'"),
                data.replace(b":", b":,", 1),
                data.replace(b"}", b",}", 1),
                data.replace(b"]", b",]", 1),
            )
        )

    def _browse(self, request: Request) -> None:
        """Turn it into what a browser asks before a request to another origin."""
        request.method, request.body, request.pieces = "OPTIONS", None, 1
        request.headers = [
            ["host", "example.org"],
            ["origin", self.rng.choice(("https://example.org", "https://evil.example"))],
            ["access-control-request-method", self.rng.choice(("GET", "PUT", "PURGE"))],
        ]
        if self.chance(0.5):
            asked = self.rng.choice(("X-Token", "x-other, x-token", "content-type"))
            request.headers.append(["access-control-request-headers", asked])


_FRAMING = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te")
)
_QUERY_ENDS = ("%", "%zz", ";x=1", "=", "&", "+", "%ff")
_AUTHORIZATIONS = (
    *("Bearer token", "bearer token", "Basic dXNlcjpwYXNz", "Basic !!", "Basic dXNlcg==", "Bearer"),
    *("Digest x", "", "Basic  dXNlcjpwYXNz", "Bearer  two words"),
)
_CONTENT_TYPES = (
    *("application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json", ""),
    *("text/plain", "application/x-www-form-urlencoded", "application/json;", "json", "text/json"),
    *("application/geo+json;x=y", "application/jsonx"),
)
_ODD_BODIES = (
    *(b"", b" ", b"null", b"NaN", b"[NaN, -Infinity]", b"{", b'"', b'{"a": 1, "a": 2}', b"1e999"),
    *(b'"\\ud800"', b'"\\ud83d\\ude00"', b"\xff", b"01", b"tru", b"[" * 200, b"-", b"1.", b"\x00"),
    *(b'{"a": "\x01"}', b'"\\x41"', b"{1: 2}", b"// no", b"[1 2]"),
)
_FILE_NAMES = ("a.txt", "caf\u00e9 %20.png", "", "../x")
_ODD_BYTES = (b"\x00", b"\xff", b"\n", b",", b'"', b"\\", b"{", b"\xc3", b"1", b"\x1f")
