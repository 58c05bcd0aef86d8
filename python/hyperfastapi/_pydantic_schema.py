"""What pydantic's core schemas tell: which values a validator leaves as they are, and which
validators run nothing but pydantic's own code.

Follows https://docs.pydantic.dev/latest/api/pydantic_core_schema/. A schema that is not known is
taken for the worst.
"""

from __future__ import annotations

from typing import Any

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
        ``"str"``: it is a str, without constraints; ``"int"``: an int, without constraints; None:
        anything else.
    """
    while schema["type"] in ("default", "nullable"):
        if schema["type"] == "default" and "default_factory" in schema:
            return None
        schema = schema["schema"]
    if schema["type"] in ("str", "int") and not set(schema) - _INERT_KEYS:
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
