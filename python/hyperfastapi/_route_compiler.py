"""From FastAPI's live structures to plans that the C core runs.

Plain functions over FastAPI's own analysis: no signature is looked at here, and no error text made.
What a route would run is read from its handler (`handlers.handler_state`), turned into a
description (`Plan`, `Frame`, `Parameter`, `Alias`, as glue/plan.h reads them), or refused with
`Unknown` and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import _pydantic_schema, _route_paths
from ._fastapi import (
    Unknown,
    applications,
    dependants,
    exit_stacks,
    forms,
    handlers,
    responses,
    security,
    streams,
    websockets,
)
from ._fastapi.limits import Limiter
from ._fastapi.route_info import RouteInfo
from ._fastapi.routes import (
    EffectiveRoute,
    form_limit_guards,
    form_limits_of,
    has_own_handle,
    is_plain_route,
    kind_of,
    limiter_of,
)
from .cancellation import Bounds, bounds_of

PATH, QUERY, HEADER, COOKIE, BODY, BODY_ITEM, DELEGATED, FORM = range(8)
VALIDATE, STR, INT, FLOAT, BOOL = range(5)
ENCODE, MODEL, CLASS, STREAM, EVENTS, RESULT = range(6)
NO_BODY, JSON_BODY, FORM_BODY = range(3)

_PATH_KINDS = {"str": 0, "path": 0, "int": 1, "float": 2, "uuid": 3}
_FRAMES_MAX = 64
_PATH_PARAMS_MAX = 8
LIMIT_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Alias:
    """A name under which a parameter may come: on the wire, as a key, and in errors."""

    wire: bytes
    text: str
    location: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of one callable: where its value comes from and what is done to it."""

    source: int
    slot: int
    field: Any
    aliases: tuple[Alias, ...] = ()
    conversion: int = VALIDATE
    delegated_source: int = PATH
    is_list: bool = False
    is_required: bool = True
    validates_default: bool = False
    has_constant_default: bool = False
    default: Any = None
    path_index: int = 0
    shape: tuple[Any, ...] | None = None
    validate: Any = None


@dataclass(slots=True)
class Frame:
    """One callable with its parameters."""

    call: Any
    invoke: Any
    original_call: Any
    dependant: Any
    is_async: bool
    kwnames: tuple[str, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    scopes: tuple[str, ...] | None = None
    parent: int = -1
    parent_slot: int = -1
    cache_slot: int = 0
    subtree: int = 0
    use_cache: bool = False
    is_pure: bool = False
    entry: int = exit_stacks.NONE
    leaves_early: bool = False
    makes_anywhere: bool = False
    is_inline: bool = False
    is_positional: bool = False
    request_slot: int = -1
    connection_slot: int = -1
    response_slot: int = -1
    background_slot: int = -1
    scopes_slot: int = -1


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a run of one route needs."""

    frames: tuple[Frame, ...]
    cache_count: int = 1
    path_names: tuple[str, ...] = ()
    path_kinds: tuple[int, ...] = ()
    body: int = NO_BODY
    strict_content_type: bool = True
    validate_json: Any = None
    respond: int = ENCODE
    status_code: int = 0
    response_field: Any = None
    response_validate: Any = None
    response_shape: tuple[Any, ...] | None = None
    to_json: Any = None
    to_json_kwnames: tuple[str, ...] = ()
    to_json_values: tuple[Any, ...] = ()
    make_response: Any = None
    info: Any = None
    overrides_of: Any = None
    guards: tuple[tuple[Any, str, Any], ...] = ()
    form_limits: forms.Limits = (0, 0, 0)
    form_limit_sources: tuple[dict[str, int], ...] = ()
    spool_max_size: int = 0
    is_websocket: bool = False
    channel: Any = None
    limiter: Any = None
    body_limit: int = -1
    bounds: Bounds | None = None
    cancels: bool = False


@dataclass(slots=True)
class _Building:
    """What is collected while one plan is made."""

    overrides: dict[Any, Any]
    embeds_body: bool
    is_form: bool
    path_names: tuple[str, ...]
    is_websocket: bool = False
    frames: list[Frame] = field(default_factory=list)
    cache_slots: dict[Any, int] = field(default_factory=dict)
    guards: list[tuple[Any, str, Any]] = field(default_factory=list)


_CONVERSIONS = {"str": STR, "int": INT, "float": FLOAT, "bool": BOOL}


def _conversion(model_field: Any) -> int:
    kind = _pydantic_schema.plain_kind(dependants.core_schema(model_field))
    return _CONVERSIONS.get(kind or "", VALIDATE)


def _wire(source: int, alias: str) -> bytes:
    if source == HEADER:
        try:
            return alias.lower().encode("latin-1")
        except UnicodeEncodeError:
            raise Unknown(f"no header can be named {alias!r}") from None
    return alias.encode("utf-8", "surrogatepass")


def _needs_delegation(source: int, model_field: Any) -> bool:
    if dependants.parameter_model(model_field) is not None or dependants.is_json_field(model_field):
        return True
    return source in (PATH, COOKIE) and dependants.is_sequence(model_field)


def _parameter(building: _Building, source: int, slot: int, model_field: Any) -> Parameter:
    where = dependants.source_of(model_field)
    names = dependants.aliases_of(model_field)
    path_index = 0
    if source == PATH:
        names = [name for name in names if name in building.path_names][:1]
        if not names:
            raise Unknown(f"the path has no parameter for {model_field.name!r}")
        path_index = building.path_names.index(names[0])
    is_constant, default = dependants.constant_default(model_field)
    is_list = source in (QUERY, HEADER) and dependants.is_sequence(model_field)
    return Parameter(
        source=source,
        slot=slot,
        field=model_field,
        aliases=tuple(Alias(_wire(source, name), name, (where, name)) for name in names),
        conversion=VALIDATE if is_list else _conversion(model_field),
        is_list=is_list,
        is_required=model_field.field_info.is_required(),
        validates_default=bool(model_field.field_info.validate_default),
        has_constant_default=is_constant,
        default=default,
        path_index=path_index,
        validate=dependants.validator_of(model_field),
    )


def _body_parameter(slot: int, model_field: Any, is_item: bool, is_form: bool) -> Parameter:
    is_list = is_form and dependants.is_sequence(model_field)
    is_constant, default = dependants.constant_default(model_field)
    if is_item:
        aliases = tuple(
            Alias(name.encode("utf-8", "surrogatepass"), name, ("body", name))
            for name in dependants.body_aliases_of(model_field)
        )
    else:
        aliases = (Alias(b"", "", ("body",)),)
    return Parameter(
        source=FORM if is_form else BODY_ITEM if is_item else BODY,
        slot=slot,
        field=model_field,
        aliases=aliases,
        conversion=_conversion(model_field) if is_form and not is_list else VALIDATE,
        is_list=is_list,
        is_required=model_field.field_info.is_required(),
        validates_default=bool(model_field.field_info.validate_default),
        has_constant_default=is_constant,
        default=default,
        shape=_shape(model_field),
        validate=dependants.validator_of(model_field),
    )


def _reads_form(fields: list[Any], is_item: bool) -> bool:
    """Whether the core extracts a dependant's fields from a form."""
    return is_item and not any(forms.needs_fastapi(each) for each in fields)


def _add_parameters(building: _Building, frame: Frame, names: list[str]) -> None:
    dependant = frame.dependant
    parameters: list[Parameter] = []
    fields_of_all: list[Any] = []
    is_pure = True
    for source, fields in (
        (PATH, dependant.path_params),
        (QUERY, dependant.query_params),
        (HEADER, dependant.header_params),
        (COOKIE, dependant.cookie_params),
    ):
        if any(_needs_delegation(source, each) for each in fields):
            parameters.append(Parameter(DELEGATED, 0, list(fields), delegated_source=source))
            names.extend(each.name for each in fields)
            is_pure = False
            continue
        for each in fields:
            parameters.append(_parameter(building, source, len(names), each))
            names.append(each.name)
            fields_of_all.append(each)
    body_fields = list(dependant.body_params)
    is_item = bool(body_fields) and dependants.is_embedded(body_fields, building.embeds_body)
    if building.is_form and body_fields and not _reads_form(body_fields, is_item):
        parameters.append(Parameter(DELEGATED, 0, body_fields, delegated_source=FORM))
        names.extend(each.name for each in body_fields)
        body_fields = []
        is_pure = False
    for each in body_fields:
        parameters.append(_body_parameter(len(names), each, is_item, building.is_form))
        names.append(each.name)
        fields_of_all.append(each)
        is_pure = is_pure and (building.is_form or not is_item)
    frame.parameters = tuple(parameters)
    frame.is_pure = is_pure and all(
        (parameter.has_constant_default or parameter.is_required)
        and _pydantic_schema.runs_no_user_code(dependants.core_schema(parameter.field))
        for parameter in parameters
    )


def _slot(names: list[str], name: str | None) -> int:
    if not name:
        return -1
    names.append(name)
    return len(names) - 1


def _check_count(building: _Building) -> None:
    if len(building.frames) > _FRAMES_MAX:
        raise Unknown(f"it has more than {_FRAMES_MAX - 1} dependencies")


def _add_frame(
    building: _Building, dependant: Any, call: Any, original_call: Any, is_async: bool
) -> int:
    """Add the frames of a dependant's dependencies, then its own; return its index."""
    connection = dependant.request_param_name
    if building.is_websocket:
        if connection:
            raise Unknown("a dependency takes a Request, which a WebSocket has none of")
        if dependant.body_params:
            raise Unknown("a dependency takes a body, which a WebSocket has none of")
        connection = dependant.websocket_param_name
    elif dependant.websocket_param_name:
        raise Unknown("a dependency takes a WebSocket")
    names: list[str] = []
    first = len(building.frames)
    children: list[tuple[int, int]] = []
    for sub in dependant.dependencies:
        child = _add_dependency(building, sub)
        children.append((child, _slot(names, sub.name)))
    frame = Frame(call, call, original_call, dependant, is_async)
    _add_parameters(building, frame, names)
    frame.connection_slot = _slot(names, dependant.http_connection_param_name)
    frame.request_slot = _slot(names, connection)
    frame.background_slot = _slot(names, dependant.background_tasks_param_name)
    frame.response_slot = _slot(names, dependant.response_param_name)
    frame.scopes_slot = _slot(names, dependant.security_scopes_param_name)
    if frame.scopes_slot >= 0:
        frame.scopes = tuple(dependants.scopes_of(dependant))
    if len(set(names)) != len(names):
        raise Unknown("two of its parameters have one name")
    frame.kwnames = tuple(names)
    building.frames.append(frame)
    _check_count(building)
    index = len(building.frames) - 1
    frame.subtree = first
    for child, slot in children:
        building.frames[child].parent = index
        building.frames[child].parent_slot = slot
    return index


def _add_scheme(
    building: _Building, dependant: Any, call: Any, original_call: Any, scheme: security.Scheme
) -> int:
    """Add the frame of a security scheme, which gets the one text that it reads."""
    source = {security.HEADER: HEADER, security.QUERY: QUERY, security.COOKIE: COOKIE}[
        scheme.source
    ]
    text = Parameter(
        source=source,
        slot=0,
        field=None,
        aliases=(Alias(_wire(source, scheme.name), scheme.name, ()),),
        conversion=STR,
        is_required=False,
        has_constant_default=True,
    )
    frame = Frame(call, scheme.read, original_call, dependant, False)
    frame.kwnames = ("text",)
    frame.parameters = (text,)
    frame.is_inline = True
    frame.is_pure = scheme.is_own
    building.frames.append(frame)
    _check_count(building)
    building.guards.extend(scheme.guards)
    frame.subtree = len(building.frames) - 1
    return frame.subtree


def _add_dependency(building: _Building, sub: Any) -> int:
    original_call = call = sub.call
    use = sub
    building.guards.append((sub, "call", original_call))
    if building.overrides:
        call = building.overrides.get(original_call, original_call)
        use = dependants.overridden(sub, call)
    concurrency = dependants.concurrency_of(use)
    scheme = security.scheme_of(use.call) if concurrency is None else None
    if scheme is not None and (use.http_connection_param_name or not building.is_websocket):
        index = _add_scheme(building, use, call, original_call, scheme)
    else:
        is_async = dependants.is_coroutine(use.call) or concurrency is not None
        index = _add_frame(building, use, call, original_call, is_async)
        frame = building.frames[index]
        frame.entry, frame.invoke = exit_stacks.entry_of(use.call, concurrency)
    frame = building.frames[index]
    frame.leaves_early = sub.scope == "function"
    frame.makes_anywhere = exit_stacks.is_plain_generator(use.call)
    key = dependants.cache_key(sub)
    frame.cache_slot = building.cache_slots.setdefault(key, len(building.cache_slots))
    frame.use_cache = bool(sub.use_cache)
    return index


def _json_validator(building: _Building) -> Any:
    """Return what makes the one body parameter of bytes, where that is the same."""
    found = [
        parameter
        for frame in building.frames
        for parameter in frame.parameters
        if parameter.source in (BODY, BODY_ITEM)
    ]
    shows_request = any(
        frame.request_slot >= 0 or frame.connection_slot >= 0 for frame in building.frames
    )
    if len(found) != 1 or found[0].source != BODY or shows_request or found[0].shape is not None:
        return None
    if not _pydantic_schema.reads_json_alike(dependants.core_schema(found[0].field)):
        return None
    return dependants.json_validator_of(found[0].field)


def _json_options(state: dict[str, Any]) -> dict[str, Any]:
    options = {
        "include": state["response_model_include"],
        "exclude": state["response_model_exclude"],
        "exclude_unset": state["response_model_exclude_unset"],
        "exclude_defaults": state["response_model_exclude_defaults"],
        "exclude_none": state["response_model_exclude_none"],
    }
    # An empty set of what to include is not none: it leaves nothing.
    given = {name: value for name, value in options.items() if value not in (None, False)}
    return {"by_alias": state["response_model_by_alias"], **given}


def _shape(model_field: Any, *, by_alias: bool = True) -> tuple[Any, ...] | None:
    """Describe the values that need no pydantic; None where plug-ins of it want to see them."""
    if dependants.json_validator_of(model_field) is None:
        return None
    return _pydantic_schema.shape_of(dependants.core_schema(model_field), by_alias=by_alias)


def _response_shape(model_field: Any, options: dict[str, Any]) -> tuple[Any, ...] | None:
    """Describe the results whose JSON pydantic need not write: nothing is to be left out."""
    if set(options) != {"by_alias"}:
        return None
    return _shape(model_field, by_alias=bool(options["by_alias"]))


def _path_params(effective: Any) -> list[_route_paths.Parameter]:
    path_params = [
        token
        for token in _route_paths.parse_path(effective.path, effective.param_convertors)
        if isinstance(token, _route_paths.Parameter)
    ]
    if len(path_params) > _PATH_PARAMS_MAX:
        raise Unknown(f"its path has more than {_PATH_PARAMS_MAX} parameters")
    return path_params


def _route_guards(effective: Any, dependant: Any) -> list[tuple[Any, str, Any]]:
    return [(effective, "app", effective.app), (dependant, "call", dependant.call)]


def _limiter_guards(limiter: Limiter | None) -> list[tuple[Any, str, Any]]:
    return [] if limiter is None else limiter.guards


def _body_limit(limiter: Limiter | None, app: Any) -> int:
    """The most bytes of a body; -1: any number. That of the route takes the application's place."""
    limit = applications.body_limit(app) if limiter is None else limiter.limit
    return -1 if limit is None else min(limit, LIMIT_MAX)


def describe_websocket(
    *,
    app: Any,
    router: Any,
    route: EffectiveRoute,
    overrides_of: dict[str, Any] | None,
    overrides: dict[Any, Any],
) -> Plan:
    """Describe what FastAPI would do for a connection to a WebSocket route.

    Args:
        app: the application.
        router: the router that is searched.
        route: the route, as the router's scan meets it.
        overrides_of: the dictionary whose `dependency_overrides` count, or None.
        overrides: what is in there now.

    Raises:
        Unknown: something has no native equivalent; the text says what.
    """
    if not websockets.is_api_websocket_route(route.route):
        raise Unknown("it is no FastAPI route, or matches in a way of its own")
    effective = route.effective
    state = websockets.websocket_state(effective.app)
    dependant = state["dependant"]
    if not dependants.is_coroutine(dependant.call):
        raise Unknown("its endpoint is no coroutine function")
    path_params = _path_params(effective)
    names = tuple(each.name for each in path_params)
    building = _Building(overrides, False, False, names, is_websocket=True)
    building.guards += _route_guards(effective, dependant)
    _add_frame(building, dependant, dependant.call, dependant.call, True)
    return Plan(
        frames=tuple(building.frames),
        cache_count=max(1, len(building.cache_slots)),
        path_names=building.path_names,
        path_kinds=tuple(_PATH_KINDS[each.convertor] for each in path_params),
        info=RouteInfo(app, router, route, state, tuple(building.cache_slots)),
        overrides_of=overrides_of,
        guards=tuple(building.guards),
        is_websocket=True,
        channel=websockets.channel(),
    )


def describe(
    *,
    app: Any,
    router: Any,
    route: EffectiveRoute,
    overrides_of: dict[str, Any] | None,
    overrides: dict[Any, Any],
) -> Plan:
    """Describe what FastAPI would do for a request of a route.

    Args:
        app: the application.
        router: the router that is searched.
        route: the route, as the router's scan meets it.
        overrides_of: the dictionary whose `dependency_overrides` count, or None.
        overrides: what is in there now.

    Raises:
        Unknown: something has no native equivalent; the text says what.
    """
    if not route.is_api_route:
        raise Unknown("it is no FastAPI route, or matches in a way of its own")
    effective = route.effective
    state = handlers.handler_state(effective.app)
    dependant = state["dependant"]
    body_field = state["body_field"]
    is_form = body_field is not None and bool(state["is_body_form"])
    if is_form and (problem := forms.problem()) is not None:
        raise Unknown(problem)
    path_params = _path_params(effective)
    names = tuple(each.name for each in path_params)
    building = _Building(overrides, state["embed_body_fields"], is_form, names)
    building.guards += _route_guards(effective, dependant)
    bounds = bounds_of(app, dependant.call)
    limiter = limiter_of(route)
    building.guards += _limiter_guards(limiter)
    if is_form:
        owner, name = forms.SPOOL_GUARD
        building.guards.append((owner, name, getattr(owner, name)))
        building.guards += form_limit_guards(router, route)
    elif body_field is not None:
        building.guards.append(applications.BODY_GUARD)
    _add_frame(building, dependant, dependant.call, dependant.call, bool(state["is_coroutine"]))
    info = RouteInfo(app, router, route, state, tuple(building.cache_slots))
    response_field = state["response_field"]
    options = _json_options(state)
    respond = CLASS
    make_response: Any = None
    if dependants.is_generator(dependant.call):
        stream = streams.of_route(state, info)
        response_field = stream.item_field
        respond = EVENTS if stream.is_events else STREAM
        make_response = stream.make
    elif handlers.dumps_models(state):
        respond = MODEL
    elif response_field is None and handlers.is_default_json(state):
        respond = ENCODE
    else:
        make_response = responses.response_maker(state)
    writes_model = response_field is not None and respond != CLASS
    return Plan(
        frames=tuple(building.frames),
        cache_count=max(1, len(building.cache_slots)),
        path_names=building.path_names,
        path_kinds=tuple(_PATH_KINDS[each.convertor] for each in path_params),
        body=FORM_BODY if is_form else JSON_BODY if body_field is not None else NO_BODY,
        strict_content_type=bool(state["actual_strict_content_type"]),
        validate_json=_json_validator(building),
        respond=respond,
        status_code=state["status_code"] or 0,
        response_field=response_field,
        response_validate=(
            None if response_field is None else dependants.validator_of(response_field)
        ),
        response_shape=_response_shape(response_field, options) if writes_model else None,
        to_json=dependants.serializer_of(response_field) if writes_model else None,
        to_json_kwnames=tuple(options),
        to_json_values=tuple(options.values()),
        make_response=make_response,
        info=info,
        overrides_of=overrides_of,
        guards=tuple(building.guards),
        form_limits=forms.default_limits() if is_form else (0, 0, 0),
        form_limit_sources=form_limits_of(router, route.inclusions, state),
        spool_max_size=getattr(*forms.SPOOL_GUARD) if is_form else 0,
        limiter=limiter,
        body_limit=_body_limit(limiter, app),
        bounds=bounds,
        cancels=bounds is not None and bounds.cancel_on_disconnect,
    )


def describe_plain(*, app: Any, router: Any, route: EffectiveRoute) -> Plan:
    """Describe what Starlette's own kind of route would do for a request.

    Args:
        app: the application.
        router: the router that is searched.
        route: the route, as the router's scan meets it.

    Raises:
        Unknown: something has no native equivalent; the text says what.
    """
    if not is_plain_route(route.route) or has_own_handle(route.route):
        raise Unknown(kind_of(route.route))
    effective = route.effective
    limiter = limiter_of(route)
    call, is_async = handlers.plain_endpoint(effective)
    path_params = _path_params(effective)
    dependant = dependants.of_call(call)
    frame = Frame(call, call, call, dependant, is_async, is_positional=True, is_pure=True)
    frame.kwnames = ("request",)
    frame.request_slot = 0
    state = {
        "dependant": dependant,
        "embed_body_fields": False,
        "dependency_overrides_provider": None,
    }
    return Plan(
        frames=(frame,),
        path_names=tuple(each.name for each in path_params),
        path_kinds=tuple(_PATH_KINDS[each.convertor] for each in path_params),
        respond=RESULT,
        info=RouteInfo(app, router, route, state, ()),
        guards=((effective, "app", effective.app), *_limiter_guards(limiter)),
        limiter=limiter,
        body_limit=_body_limit(limiter, app),
    )


def describe_unrouted() -> Plan:
    """Describe a plan that only sends the response that it is given."""
    return Plan(frames=(Frame(None, None, None, None, False),))
