"""Makes a case from a seed."""

from __future__ import annotations

from random import Random

from .generate import Generator
from .spec import Case
from .traffic import Traffic


def make_case(seed: int, requests: int) -> Case:
    """Return the application of a seed, with requests to it.

    Args:
        seed: the same seed makes the same case, on every Python.
        requests: how many requests.
    """
    application = Generator(Random(f"application {seed}")).application()
    traffic = Traffic(Random(f"traffic {seed}"), application)
    return Case(seed, application, [traffic.step() for _ in range(requests)])
