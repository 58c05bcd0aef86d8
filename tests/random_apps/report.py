"""Says what a difference is: the application as a file to run, the request, and what was seen."""

from __future__ import annotations

import json

from tests.differential import wire

from . import source
from .compare import Difference
from .spec import Case, to_data


def explain(case: Case, difference: Difference) -> str:
    """Return a file that defines the application; comments say what happened to it.

    Args:
        case: the case.
        difference: its first difference.
    """
    lines = [f"# seed {case.seed}: FastAPI and hyperfastapi ({difference.way}) differ"]
    if difference.text:
        lines.append(f"# {difference.text}")
    lines += ["", source.write(case.application)]
    last = len(case.steps) if difference.step is None else difference.step + 1
    for number, step in enumerate(case.steps[:last]):
        lines.append(f"# request {number}")
        if step.overrides:
            pairs = ", ".join(f"{old}: {new}" for old, new in step.overrides)
            lines.append(f"#   app.dependency_overrides: {{{pairs}}}")
        if step.failing:
            lines.append(f"#   FAILING: {set(step.failing)}")
        lines.append(f"#   {wire(step.request)!r}")
    for what in difference.what:
        lines.append(f"# {what} of FastAPI:      {getattr(difference.expected, what)!r}")
        lines.append(f"# {what} of hyperfastapi: {getattr(difference.actual, what)!r}")
    lines += ["", f"# the case: {json.dumps(to_data(case))}"]
    return "\n".join(lines) + "\n"
