"""What one run of an upstream suite is to do, handed from the runner to the pytest processes.

pytest-xdist starts worker processes that inherit nothing but the environment, so the settings
travel as JSON in one environment variable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIABLE = "UPSTREAM_RUN"


@dataclass(frozen=True, slots=True)
class Settings:
    """One run.

    Attributes:
        server: "uvicorn", "uvicorn-h11", "hyper", "module:attribute" of a server factory, or
            "none" for the plain in-process TestClient.
        bare: the server gets the very application object, not a recording wrapper around it.
        install: `fastapi.FastAPI` is replaced by hyperfastapi's class before collection.
        http2: HTTP requests go over HTTP/2 with prior knowledge; WebSockets stay on HTTP/1.1.
        report: path that outcomes are written to; counters go to "<report>.<pid>.use".
    """

    server: str = "none"
    bare: bool = False
    install: bool = False
    report: str = ""
    http2: bool = False

    @property
    def over_socket(self) -> bool:
        return self.server != "none"

    @property
    def compiles(self) -> bool:
        """Whether applications of FastAPI's get compiled routes."""
        return self.install or self.server == "hyper"

    def environment(self) -> dict[str, str]:
        """The variables that carry these settings to pytest and to its workers."""
        return {VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        return cls(**json.loads(environment.get(VARIABLE, "{}")))
