"""What pydantic's core schemas tell: which values a validator leaves as they are, and which
validators run nothing but pydantic's own code.

Follows https://docs.pydantic.dev/latest/api/pydantic_core_schema/. A schema that is not known is
taken for the worst.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_INERT_KEYS = {"type", "metadata", "ref", "serialization"}
_PLAIN = {
    "any",
    "none",
    "bool",
    "int",
    "float",
    "decimal",
    "complex",
    "str",
    "bytes",
    "date",
    "time",
    "datetime",
    "timedelta",
    "literal",
    "uuid",
    "url",
    "multi-host-url",
}
_CONTAINERS = {"nullable", "list", "set", "frozenset", "dict", "tuple", "tuple-variable", "union"}
_INNER = (
    "schema",
    "items_schema",
    "keys_schema",
    "values_schema",
    "choices",
    "fields",
    "definitions",
)


def _inner(schema: Schema) -> list[Schema]:
    found: list[Schema] = []
    for key in _INNER:
        value = schema.get(key)
        values = value.values() if isinstance(value, dict) and "type" not in value else [value]
        for each in values:
            items = each if isinstance(each, list | tuple) else [each]
            for item in items:
                choice = item[0] if isinstance(item, tuple) else item
                if isinstance(choice, dict):
                    found.append(choice)
    return found


def plain_kind(schema: Schema) -> str | None:
    """Tell what a validator does to text.

    Returns:
        The type, ``"str"``, ``"int"``, ``"float"`` or ``"bool"``, if there are no constraints; None
        for anything else.
    """
    while schema["type"] in ("default", "nullable"):
        if schema["type"] == "default" and "default_factory" in schema:
            return None
        schema = schema["schema"]
    if schema["type"] in ("str", "int", "float", "bool") and not set(schema) - _INERT_KEYS:
        return str(schema["type"])
    return None


def runs_no_user_code(schema: Schema) -> bool:
    """Tell whether validating runs nothing but pydantic's own code, in any thread."""
    kind = schema["type"]
    if kind == "default":
        if "default_factory" in schema:
            return False
    elif kind not in _PLAIN | _CONTAINERS:
        return False
    return all(runs_no_user_code(each) for each in _inner(schema))


_JSON_PLAIN = {"str", "int", "float", "bool"}
_CONFIG_KEYS = {"title", "extra_fields_behavior"}


def _reads_json_alike(schema: Schema, models: set[int]) -> bool:
    kind = schema["type"]
    if schema.get("strict") is not None:
        return False
    if kind in _JSON_PLAIN:
        return True
    if kind == "default":
        if "default_factory" in schema or schema.get("copy_default"):
            return False
        return _reads_json_alike(schema["schema"], models)
    if kind == "nullable":
        return _reads_json_alike(schema["schema"], models)
    if kind == "list":
        return "items_schema" in schema and _reads_json_alike(schema["items_schema"], models)
    if kind == "dict":
        return (
            schema.get("keys_schema", {}).get("type") == "str"
            and set(schema["keys_schema"]) <= _INERT_KEYS
            and "values_schema" in schema
            and _reads_json_alike(schema["values_schema"], models)
        )
    if kind == "model":
        return _model_reads_json_alike(schema, models)
    return False


def _model_reads_json_alike(schema: Schema, models: set[int]) -> bool:
    known = {"type", "cls", "schema", "config", "metadata", "ref", "custom_init", "root_model"}
    if (
        set(schema) - known
        or schema.get("custom_init")
        or schema.get("root_model")
        or set(schema.get("config", {})) - _CONFIG_KEYS
        or schema.get("config", {}).get("extra_fields_behavior", "ignore") != "ignore"
    ):
        return False
    fields = schema["schema"]
    if fields["type"] != "model-fields" or set(fields) - {
        "type",
        "fields",
        "model_name",
        "computed_fields",
    }:
        return False
    return all(
        isinstance(field.get("validation_alias", ""), str)
        and _reads_json_alike(field["schema"], models)
        for field in fields["fields"].values()
    )


def reads_json_alike(schema: Schema) -> bool:
    """Tell whether a validator makes of JSON what it makes of the objects that JSON decodes to.

    So it is for models of str, int, float, bool, optional values, lists and dictionaries of these,
    in lax mode, where no code of the user's runs: what it refuses may be validated again.
    """
    return _reads_json_alike(schema, set())


# The kinds of glue/shape.h.
(_ANY, _STR, _INT, _FLOAT, _BOOL, _NONE, _NULLABLE, _LIST, _DICT, _MODEL) = range(10)
_SHAPES = {"any": _ANY, "str": _STR, "int": _INT, "float": _FLOAT, "bool": _BOOL, "none": _NONE}
_BARE_KEYS = {"type", "metadata", "ref"}
_MODEL_KEYS = {"type", "cls", "schema", "config", "metadata", "ref", "custom_init", "root_model"}
_FIELD_KEYS = {"type", "schema", "metadata", "validation_alias", "serialization_alias", "frozen"}
_MODEL_SLOTS = (
    "__dict__",
    "__pydantic_fields_set__",
    "__pydantic_extra__",
    "__pydantic_private__",
)
_BY_NAME = {"validate_by_name", "validate_by_alias", "populate_by_name"}
_SHAPE_CONFIG_KEYS = {"title", "extra_fields_behavior", "from_attributes", *_BY_NAME}


def shape_of(schema: Schema, *, by_alias: bool = True) -> tuple[Any, ...] | None:
    """Describe values that validation leaves as they are and whose JSON their types tell.

    Args:
        schema: pydantic's core schema of a response model, or of a parameter.
        by_alias: whether the JSON of fields has their aliases.

    Returns:
        What `_core.Plan` takes for a shape, or None: pydantic has to do it.
    """
    return _Shapes(by_alias).of(schema)


class _Shapes:
    def __init__(self, by_alias: bool) -> None:
        self._by_alias = by_alias
        self._definitions: dict[str, Schema] = {}

    def of(self, schema: Schema) -> tuple[Any, ...] | None:
        kind = schema["type"]
        if kind in _SHAPES:
            return None if set(schema) - _BARE_KEYS else (_SHAPES[kind],)
        if kind == "nullable":
            return self._around(_NULLABLE, schema, "schema")
        if kind == "list":
            return self._around(_LIST, schema, "items_schema")
        if kind == "dict":
            keys = schema.get("keys_schema", {"type": ""})
            if keys["type"] != "str" or set(keys) - _BARE_KEYS:
                return None
            return self._around(_DICT, schema, "values_schema", "keys_schema")
        if kind == "model":
            return self._model(schema)
        if kind == "definitions":
            self._definitions.update({each["ref"]: each for each in schema["definitions"]})
            return self.of(schema["schema"])
        if kind == "definition-ref" and not set(schema) - {"type", "schema_ref", "metadata"}:
            # Without its definition on the way: one that is inside itself has no shape.
            definition = self._definitions.pop(schema["schema_ref"], None)
            if definition is None:
                return None
            shape = self.of(definition)
            self._definitions[schema["schema_ref"]] = definition
            return shape
        return None

    def _around(self, kind: int, schema: Schema, key: str, *others: str) -> tuple[Any, ...] | None:
        if set(schema) - _BARE_KEYS - {key, *others}:
            return None
        inner = self.of(schema[key]) if key in schema else (_ANY,)
        return None if inner is None else (kind, inner)

    def _model(self, schema: Schema) -> tuple[Any, ...] | None:
        config = schema.get("config", {})
        fields = schema["schema"]
        if (
            set(schema) - _MODEL_KEYS
            or schema.get("custom_init")
            or schema.get("root_model")
            or set(config) - _SHAPE_CONFIG_KEYS
            or config.get("extra_fields_behavior", "ignore") != "ignore"
            or schema["cls"].__getattribute__ is not object.__getattribute__
            or schema["cls"].__new__ is not object.__new__
            or BaseModel.__slots__ != _MODEL_SLOTS
            or fields["type"] != "model-fields"
            or set(fields) - {"type", "fields", "model_name", "computed_fields"}
            or fields.get("computed_fields")
        ):
            return None
        described = []
        for name, field in fields["fields"].items():
            shape = self._field(name, field)
            if shape is None or (shape[1] != name and set(config) & _BY_NAME):
                return None
            described.append(shape)
        return (_MODEL, schema["cls"], tuple(described))

    def _field(self, name: str, field: Schema) -> tuple[Any, ...] | None:
        inner = field["schema"]
        default: Any = ...
        if inner["type"] == "default":
            known = {"type", "schema", "metadata", "default"}
            if set(inner) - known or inner.get("default", ...) is ...:
                return None
            default = inner["default"]
            inner = inner["schema"]
        key = field.get("validation_alias", name)
        shape = self.of(inner)
        if set(field) - _FIELD_KEYS or not isinstance(key, str) or shape is None:
            return None
        written = field.get("serialization_alias", name) if self._by_alias else name
        try:
            json_key = json.dumps(written, ensure_ascii=False).encode() + b":"
        except UnicodeEncodeError:
            return None
        return (sys.intern(name), key, json_key, default, shape)
