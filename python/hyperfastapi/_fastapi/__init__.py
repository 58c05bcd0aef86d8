"""What hyperfastapi knows of the inside of FastAPI and Starlette; nothing outside looks there.

FastAPI's public classes carry the structures that a request is served from, but under private names
that change between releases. Everything here either finds what it knows, unchanged, or raises
`Unknown`, and the caller leaves the work to FastAPI's own code.

What is read when an application is compiled: `applications`, `stages`, `routes`, `handlers`,
`dependants`, `limits`. What runs call: `hooks`, made of `route_info`, `parameters`, `exit_stacks`,
`responses`, `streams`, `sending`, `errors`, `forms`, `bounded`,
`telemetry`.
"""

from __future__ import annotations


class Unknown(Exception):
    """Something is not as this module knows it; the text says what."""
