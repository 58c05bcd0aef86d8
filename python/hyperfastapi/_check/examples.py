"""The requests to check with: of a file, and made from an OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_DEPTH_MAX = 6
_TEXTS = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:30:00Z",
    "time": "12:30:00",
    "duration": "PT5S",
    "uuid": "12345678-1234-5678-1234-567812345678",
    "email": "user@example.com",
    "uri": "https://example.com/",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "binary": "content",
    "byte": "Y29udGVudA==",
}
_INVALID = "not valid \u20ac"


class ExamplesError(ValueError):
    """A file of examples cannot be used; the text says what to change."""


@dataclass(frozen=True)
class Example:
    """A request.

    Attributes:
        method: its method.
        target: path and query, percent-encoded.
        headers: names and values, Latin-1.
        body: the body as Latin-1 text; None: there is none.
    """

    method: str
    target: str
    headers: list[list[str]] = field(default_factory=list)
    body: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what `Example(**value)` makes it of again."""
        return asdict(self)


# --- Of a file ---------------------------------------------------------------------------------


def from_text(text: str) -> list[Example]:
    """Read a file of examples: a JSON list of objects with these keys.

    `method` (GET unless given), `path` with the query (required), `headers` (an object), and one of
    `json`, `form` (an object of texts and lists of them) and `body` (text, sent as UTF-8).

    Raises:
        ExamplesError: it is something else.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ExamplesError(f"it is no JSON: {error}") from None
    if not isinstance(found, list):
        raise ExamplesError("it has to be a list of requests")
    return [_from_object(number, each) for number, each in enumerate(found)]


_KEYS = {"method", "path", "headers", "json", "form", "body"}


def _from_object(number: int, given: Any) -> Example:
    where = f"request {number}"
    if not isinstance(given, dict) or not isinstance(given.get("path"), str):
        raise ExamplesError(f"{where} has to be an object with a path")
    if unknown := sorted(set(given) - _KEYS):
        raise ExamplesError(f"{where} has the unknown key {unknown[0]!r}")
    bodies = [key for key in ("json", "form", "body") if key in given]
    if len(bodies) > 1:
        raise ExamplesError(f"{where} has both {bodies[0]} and {bodies[1]}")
    headers = given.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise ExamplesError(f"{where}: headers have to be an object of texts")
    path = given["path"]
    if not path.startswith("/"):
        raise ExamplesError(f"{where}: the path has to begin with /")
    content_type, body = _body_of(given)
    pairs = [[name, value] for name, value in headers.items()]
    if content_type and not any(name.lower() == "content-type" for name in headers):
        pairs.append(["content-type", content_type])
    method = str(given.get("method", "GET")).upper()
    return Example(method, quote(path, safe="/?&=%+:;,@!$'()*-._~[]"), pairs, body)


def _body_of(given: Mapping[str, Any]) -> tuple[str, str | None]:
    if "json" in given:
        return "application/json", _latin1(json.dumps(given["json"]))
    if "form" in given:
        return "application/x-www-form-urlencoded", urlencode(given["form"], doseq=True)
    if "body" in given:
        return "", _latin1(str(given["body"]))
    return "", None


def _latin1(text: str) -> str:
    return text.encode("utf-8", "surrogatepass").decode("latin-1")


# --- Of an OpenAPI document --------------------------------------------------------------------


def from_openapi(document: Mapping[str, Any]) -> Iterator[Example]:
    """Make requests for all operations: fitting ones, and ones that lack or break something."""
    for path, item in document.get("paths", {}).items():
        for method in _METHODS:
            operation = item.get(method)
            if isinstance(operation, dict):
                parameters = [*item.get("parameters", []), *operation.get("parameters", [])]
                yield from _Operation(document, method.upper(), path, parameters, operation).all()


@dataclass
class _Operation:
    document: Mapping[str, Any]
    method: str
    path: str
    parameters: list[dict[str, Any]]
    operation: Mapping[str, Any]

    def all(self) -> Iterator[Example]:
        parameters = [self._resolved(each) for each in self.parameters]
        values = {
            (each["in"], each["name"]): self._value_of(each)
            for each in parameters
            if each.get("in") in ("path", "query", "header", "cookie")
        }
        required = {
            (each["in"], each["name"]): values[each["in"], each["name"]]
            for each in parameters
            if (each["in"], each["name"]) in values and each.get("required")
        }
        bodies = list(self._bodies())
        fitting = bodies[0] if bodies else ("", None)
        yield self._example(values, fitting)
        if required != values:
            yield self._example(required, fitting)
        for key in values:
            yield self._example({**values, key: _INVALID}, fitting)
            if key[0] != "path" and key in required:
                yield self._example({k: v for k, v in values.items() if k != key}, fitting)
        for body in bodies[1:]:
            yield self._example(values, body)

    def _example(self, values: dict[tuple[str, str], Any], body: tuple[str, str | None]) -> Example:
        path = self.path
        query: list[tuple[str, str]] = []
        cookies: list[str] = []
        headers: list[list[str]] = []
        for (place, name), value in values.items():
            many = [_text(each) for each in value] if isinstance(value, list) else [_text(value)]
            if place == "path":
                for template in (f"{{{name}}}", f"{{{name}:path}}"):
                    path = path.replace(template, quote(many[0], safe=""))
            elif place == "query":
                query += [(name, each) for each in many]
            elif place == "cookie":
                cookies += [f"{name}={_visible(each)}" for each in many]
            else:
                headers += [[name, _visible(each)] for each in many]
        if cookies:
            headers.append(["cookie", "; ".join(cookies)])
        content_type, content = body
        if content_type:
            headers.append(["content-type", content_type])
        target = path + ("?" + urlencode(query) if query else "")
        return Example(self.method, target, headers, content)

    def _bodies(self) -> Iterator[tuple[str, str | None]]:
        body = self._resolved(self.operation.get("requestBody", {}))
        for content_type, media in body.get("content", {}).items():
            schema = media.get("schema", {})
            value = self._example_in(media)
            if value is None:
                value = self._value(schema, 0)
            if content_type == "application/x-www-form-urlencoded":
                fields = value if isinstance(value, dict) else {}
                pairs = {name: _texts(each) for name, each in fields.items()}
                yield content_type, urlencode(pairs, doseq=True)
                yield content_type, ""
            elif content_type == "multipart/form-data":
                yield self._multipart(schema, value if isinstance(value, dict) else {})
                yield f"{content_type}; boundary=edge", "--edge--\r\n"
                yield content_type, "--edge--\r\n"
            else:
                yield content_type, _latin1(json.dumps(value))
                for broken in ("", "null", "{}", "[]", '{"'):
                    yield content_type, broken
        if body:
            yield "", None

    def _multipart(self, schema: Any, fields: Mapping[str, Any]) -> tuple[str, str]:
        properties = self._resolved(schema).get("properties", {})
        parts = []
        for name, value in fields.items():
            described = self._resolved(properties.get(name, {}))
            described = self._resolved(described.get("items", described))
            is_file = described.get("format") == "binary" or "contentMediaType" in described
            filename = '; filename="file.txt"' if is_file else ""
            for each in _texts(value):
                parts.append(
                    f'--edge\r\nContent-Disposition: form-data; name="{name}"{filename}'
                    f"\r\n\r\n{_latin1(each)}\r\n"
                )
        return "multipart/form-data; boundary=edge", "".join(parts) + "--edge--\r\n"

    def _resolved(self, schema: Any) -> dict[str, Any]:
        for _ in range(_DEPTH_MAX):
            if not isinstance(schema, dict):
                return {}
            reference = schema.get("$ref")
            if not isinstance(reference, str):
                return schema
            found: Any = self.document
            for part in reference.removeprefix("#/").split("/"):
                part = part.replace("~1", "/").replace("~0", "~")
                found = found.get(part, {}) if isinstance(found, dict) else {}
            schema = found
        return {}

    @staticmethod
    def _example_in(described: Mapping[str, Any]) -> Any:
        if "example" in described:
            return described["example"]
        examples = described.get("examples")
        if isinstance(examples, list) and examples:
            return examples[0]
        if isinstance(examples, dict):
            for each in examples.values():
                if isinstance(each, dict) and "value" in each:
                    return each["value"]
        return None

    def _value_of(self, parameter: Mapping[str, Any]) -> Any:
        value = self._example_in(parameter)
        return self._value(parameter.get("schema", {}), 0) if value is None else value

    def _value(self, schema: Any, depth: int) -> Any:
        schema = self._resolved(schema)
        value = self._example_in(schema)
        if value is not None:
            return value
        for key in ("const", "default"):
            if schema.get(key) is not None:
                return schema[key]
        if schema.get("enum"):
            return schema["enum"][0]
        for key in ("anyOf", "oneOf", "allOf"):
            choices = [self._resolved(each) for each in schema.get(key, [])]
            if choices:
                best = next((each for each in choices if each.get("type") != "null"), choices[0])
                return self._value(best, depth + 1) if depth < _DEPTH_MAX else None
        return self._plain_value(schema, depth)

    def _plain_value(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if kind in ("integer", "number"):
            return _number(schema)
        if kind == "boolean":
            return True
        if kind == "string":
            text = _TEXTS.get(schema.get("format", ""), "text")
            return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", 1000)]
        if kind == "array":
            if depth >= _DEPTH_MAX:
                return []
            items = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
            return [self._value(items, depth + 1)] * max(1, schema.get("minItems", 1))
        if kind == "object" or "properties" in schema:
            if depth >= _DEPTH_MAX:
                return {}
            properties = schema.get("properties", {})
            return {name: self._value(each, depth + 1) for name, each in properties.items()}
        return "text" if kind is None and depth else {}


def _number(schema: Mapping[str, Any]) -> float:
    step = schema.get("multipleOf", 1)
    if "exclusiveMinimum" in schema:
        return float(schema["exclusiveMinimum"]) + step if step % 1 else (
            int(schema["exclusiveMinimum"]) + int(step)
        )  # fmt: skip
    for key in ("minimum", "maximum"):
        if key in schema:
            found: float = schema[key]
            return found
    if "exclusiveMaximum" in schema:
        return int(schema["exclusiveMaximum"]) - int(step or 1)
    return 1


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)


def _texts(value: Any) -> list[str]:
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]


def _visible(text: str) -> str:
    """What of a text a header may hold."""
    return "".join(each for each in _latin1(text) if each.isprintable() or ord(each) > 0x9F)
