"""What FastAPI's analysis has found: callables, what they depend on, and their fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from fastapi import params, routing
from fastapi.dependencies import utils
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticUndefined, SchemaValidator

from . import Unknown

# Names in them that are not public.
_dependencies: Any = utils
_routing: Any = routing

ModelField = Any  # fastapi._compat's, of which only attributes are read


def of_call(call: Callable[..., Any]) -> Dependant:
    """Return a dependant of which nothing is known but what it calls."""
    return Dependant(call=call)


def is_generator(call: Any) -> bool:
    """Tell whether a callable yields, as FastAPI sees it."""
    return bool(_routing._is_gen_callable(call) or _routing._is_async_gen_callable(call))


def is_coroutine(call: Any) -> bool:
    """Tell whether FastAPI awaits what a callable returns."""
    return bool(_routing._is_coroutine_callable(call))


def cache_key(dependant: Dependant) -> Any:
    """Return the key under which FastAPI caches a dependency's value within a request."""
    return _dependencies._get_cache_key(dependant=dependant)


def scopes_of(dependant: Dependant) -> list[str]:
    """Return the security scopes that `SecurityScopes` would hold there."""
    return list(_dependencies._get_oauth_scopes(dependant=dependant))


def overridden(dependant: Dependant, call: Any) -> Dependant:
    """Analyse what overrides a dependency, as FastAPI does for each request with overrides."""
    options = {"concurrency": limit} if (limit := concurrency_of(dependant)) is not None else {}
    try:
        use: Dependant = _dependencies.get_dependant(
            path=dependant.path,
            call=call,
            name=dependant.name,
            parent_oauth_scopes=scopes_of(dependant),
            scope=dependant.scope,
            **options,
        )
    except Exception as error:
        # FastAPI raises it for each request.
        raise Unknown(f"an override cannot be analysed: {error}") from None
    return use


def concurrency_of(dependant: Dependant) -> Any:
    """Return a dependency's limit of concurrency; None: it has none, as before FastAPI 0.165."""
    return getattr(dependant, "concurrency", None)


def aliases_of(field: ModelField) -> list[str]:
    """Return the names under which a request may carry a field, the preferred one first."""
    return [name for _, name in _dependencies._get_param_aliases(field)]


def body_aliases_of(field: ModelField) -> list[str]:
    """Return the keys under which a JSON object may carry a field."""
    return [alias for alias, _ in _dependencies._get_param_aliases(field)]


def is_sequence(field: ModelField) -> bool:
    """Tell whether a field takes every occurrence of its name."""
    return bool(_dependencies.field_annotation_is_sequence(field.field_info.annotation))


def is_json_field(field: ModelField) -> bool:
    """Tell whether a field's text is JSON."""
    return bool(_dependencies._is_json_field(field))


def parameter_model(field: ModelField) -> type[BaseModel] | None:
    """Return the model that a group of parameters is declared by, if it is one."""
    model: type[BaseModel] | None = _dependencies._get_param_model(field)
    return model


def is_embedded(fields: list[ModelField], embed: bool) -> bool:
    """Tell whether body fields are keys of one JSON object."""
    return len(fields) != 1 or embed or _dependencies._should_embed_body_fields(fields)


def is_form(field: ModelField) -> bool:
    """Tell whether a body field comes from a form."""
    return isinstance(field.field_info, params.Form)


def source_of(field: ModelField) -> str:
    """Return the first part of a parameter's location in errors."""
    return str(field.field_info.in_.value)


def core_schema(field: ModelField) -> dict[str, Any]:
    """Return pydantic's schema of a field.

    Raises:
        Unknown: its type names something that is not defined; FastAPI says so for each value.
    """
    schema = field._type_adapter.core_schema
    try:
        schema["type"]  # what stands for a schema that is not built yet tries to build it
    except PydanticUserError:
        raise Unknown(f"the type of {field.name!r} is not fully defined") from None
    return cast("dict[str, Any]", schema)


def validator_of(field: ModelField) -> Callable[..., Any]:
    """Return what validates a field's value: `(value, *, from_attributes)`."""
    adapter = field._type_adapter
    if type(adapter.validator) is SchemaValidator:
        return cast("Callable[..., Any]", adapter.validator.validate_python)
    return cast("Callable[..., Any]", adapter.validate_python)


def json_validator_of(field: ModelField) -> Callable[[bytes], Any] | None:
    """Return what validates a field from JSON bytes; None when pydantic is extended by plug-ins."""
    validator = field._type_adapter.validator
    return validator.validate_json if type(validator) is SchemaValidator else None


def serializer_of(field: ModelField) -> Callable[..., bytes]:
    """Return what makes JSON of a field's value."""
    return cast("Callable[..., bytes]", field._type_adapter.serializer.to_json)


def constant_default(field: ModelField) -> tuple[bool, Any]:
    """Return whether a default is one object for all requests, and that object."""
    info = field.field_info
    if info.default_factory is not None or info.default is PydanticUndefined:
        return False, None
    is_constant = type(info.default) in (type(None), bool, int, float, str, bytes)
    return is_constant, info.default if is_constant else None
