"""How many examples of each property are tried.

``HYPERFASTAPI_EXAMPLES=20000`` tries that many, other ones each time; without it a few hundred are
tried, always the same.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = os.environ.get("HYPERFASTAPI_EXAMPLES")

settings.register_profile(
    "differential",
    max_examples=int(EXAMPLES or "200"),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,
    # Making an application takes its time, and a busy machine more.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    print_blob=True,
)
settings.load_profile("differential")
