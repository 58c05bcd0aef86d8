"""Random response models and options, and random return values: fitting and not."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import fastapi
from hypothesis import example, given
from hypothesis import strategies as st

from tests.differential import Request

from .both import check
from .kinds import Kind, any_json, json_kinds

REQUEST = Request("GET", "/", [["host", "example.org"]])


@dataclass
class Answer:
    """How a route answers.

    Attributes:
        kind: the type of its response model.
        value: what its handler returns.
        annotated: whether the type is the handler's return annotation, or `response_model`.
        options: the arguments `response_model_*` and others of its decorator.
        is_async: whether the handler is a coroutine function.
    """

    kind: Kind
    value: Any
    annotated: bool
    options: dict[str, Any]
    is_async: bool


def _field_names(kind: Kind) -> list[str]:
    return [*getattr(kind.annotation, "model_fields", {}), "a0", "long_name1", "missing"]


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """A response model, options, and a value."""
    kind = draw(json_kinds())
    options: dict[str, Any] = {}
    for name in ("exclude_unset", "exclude_defaults", "exclude_none"):
        if draw(st.integers(0, 3)) == 0:
            options[f"response_model_{name}"] = True
    if draw(st.integers(0, 3)) == 0:
        options["response_model_by_alias"] = False
    for name in ("include", "exclude"):
        if draw(st.integers(0, 4)) == 0:
            chosen = st.sampled_from(_field_names(kind))
            options[f"response_model_{name}"] = draw(st.sets(chosen, max_size=3))
    if draw(st.integers(0, 4)) == 0:
        options["status_code"] = draw(st.sampled_from([200, 201, 299, 404]))
    value = draw(st.one_of(kind.python, kind.python, kind.python, kind.json, any_json))
    return Answer(kind, value, draw(st.booleans()), options, draw(st.booleans()))


def make_app(answer: Answer, kind: type[fastapi.FastAPI]) -> fastapi.FastAPI:
    """An application that answers so."""

    def handle() -> Any:
        return answer.value

    async def handle_async() -> Any:
        return answer.value

    handler: Any = handle_async if answer.is_async else handle
    options = dict(answer.options)
    if answer.annotated:
        handler.__signature__ = inspect.Signature(return_annotation=answer.kind.annotation)
    else:
        options["response_model"] = answer.kind.annotation
    app = kind()
    app.get("/", **options)(handler)
    return app


_NUMBERS = Kind(list[int], st.nothing(), st.nothing(), st.nothing())


@example(Answer(_NUMBERS, [1], False, {"response_model_include": set()}, False))
@given(answers())
def test_response_models_answer_as_on_fastapi(answer: Answer) -> None:
    check(lambda kind: make_app(answer, kind), REQUEST)
