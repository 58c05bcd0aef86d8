"""What pydantic does in a request of an application that is measured, and nothing else.

Each function is one request's part, as FastAPI has it done: values validated into what the route
declares, the result made JSON.
"""

from pydantic import TypeAdapter

from benchmarks.applications.row_models import Row
from benchmarks.applications.rows import rows

_ITEMS = TypeAdapter(list[Row])
_HUNDRED = rows()[:100]
_HUNDRED_MODELS = _ITEMS.validate_python(_HUNDRED)
_FIELDS = (
    (TypeAdapter(str), "johndoe"),
    (TypeAdapter(int), "30"),
    (TypeAdapter(bool), "true"),
)


def hundred_dicts() -> None:
    """Make 100 models of dicts, and JSON of them."""
    _ITEMS.dump_json(_ITEMS.validate_python(_HUNDRED, from_attributes=True))


def hundred_models() -> None:
    """Look at 100 models, and make JSON of them."""
    _ITEMS.dump_json(_ITEMS.validate_python(_HUNDRED_MODELS, from_attributes=True))


def form() -> None:
    """Convert the fields of a form."""
    for adapter, text in _FIELDS:
        adapter.validate_python(text)
