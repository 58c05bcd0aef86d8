"""One side of a check: an application in a process of its own, with its lifespan.

    python -m hyperfastapi._check.side < settings.json > observations.json

The application is called through ASGI, without a socket.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from .. import _compiled, _importer, _install, plans
from .._lifespan import Lifespan
from .examples import Example


class _Exchange:
    """One request and what the application answered."""

    def __init__(self, example: Example, base_url: str, state: dict[str, Any]) -> None:
        self._body = (example.body or "").encode("latin-1")
        self._is_read = False
        self._ended = asyncio.Event()
        self._content = b""
        self.seen: dict[str, Any] = {"status": None, "headers": [], "error": None}
        base = urlsplit(base_url)
        path, _, query = example.target.partition("?")
        raw = (base.path.rstrip("/") + path).encode("latin-1")
        fields = [["host", base.netloc], *example.headers]
        if example.body is not None:
            fields.append(["content-length", str(len(self._body))])
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": (base.hostname or "", base.port or (443 if base.scheme == "https" else 80)),
            "client": ("127.0.0.1", 50000),
            "scheme": base.scheme,
            "method": example.method,
            "root_path": base.path.rstrip("/"),
            "path": unquote_to_bytes(raw).decode("utf-8", "replace"),
            "raw_path": raw,
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields
            ],
            "state": state.copy(),
            "extensions": {},
        }

    async def receive(self) -> dict[str, Any]:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.seen["status"] = message["status"]
            self.seen["headers"] = [
                [name.decode("latin-1").lower(), value.decode("latin-1")]
                for name, value in message.get("headers", [])
            ]
        elif message["type"] == "http.response.body":
            self._content += message.get("body", b"")
            if not message.get("more_body", False):
                self._ended.set()

    async def run(self, app: Any, timeout: float) -> dict[str, Any]:
        task = asyncio.ensure_future(app(self.scope, self.receive, self.send))
        await asyncio.wait([task], timeout=timeout)
        self.seen["is_cut"] = not task.done()
        if not task.done():
            self._ended.set()
            task.cancel()
            await asyncio.wait([task], timeout=timeout)
        elif (error := task.exception()) is not None:
            self.seen["error"] = f"{type(error).__name__}: {error}"
        self.seen["body"] = "" if self.seen["is_cut"] else self._content.decode("latin-1")
        return self.seen


def _way(app: Any, before: plans.Counters) -> str:
    """How the last request went; `before` are the counters before it."""
    after = plans.counters(app)
    if after.compiled > before.compiled:
        return "compiled"
    reasons = [name for name, n in after.bridged.items() if n > before.bridged.get(name, 0)]
    return reasons[0] if reasons else "middleware of the application answered"


async def observe(
    app: Any, examples: list[Example], base_url: str, timeout: float, *, is_compiled: bool
) -> list[dict[str, Any]]:
    """Give the requests to an application, one after the other.

    Args:
        app: the application.
        examples: the requests.
        base_url: scheme, host and root path that they are sent to.
        timeout: seconds that an answer may take; then what has come counts, without the body.
        is_compiled: its routes are to be compiled; otherwise FastAPI's own code answers.

    Raises:
        RuntimeError: the application has not started.
    """
    if not is_compiled:
        _compiled.disable()
    elif _compiled.prepare(app) is None:
        raise RuntimeError("nothing of it is compiled: it is no FastAPI application")
    lifespan = Lifespan(app, "auto")
    await lifespan.startup()
    if lifespan.failed:
        raise RuntimeError("the application has not started")
    found = []
    for example in examples:
        before = plans.counters(app)
        seen = await _Exchange(example, base_url, lifespan.state).run(app, timeout)
        found.append({**seen, "way": _way(app, before) if is_compiled else ""})
    await lifespan.shutdown()
    return found


def main() -> int:
    """Read what to do, do it, and write what was seen."""
    settings = json.load(sys.stdin)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what the application prints is no answer
    logging.getLogger("hyperfastapi.error").setLevel(logging.CRITICAL)
    _install.install_if_asked()
    app = _importer.load(
        settings["target"], app_dir=settings["app_dir"], factory=settings["factory"]
    )
    examples = [Example(**each) for each in settings["examples"]]
    found = asyncio.run(
        observe(
            app,
            examples,
            settings["base_url"],
            settings["timeout"],
            is_compiled=settings["is_compiled"],
        )
    )
    with out:
        json.dump(found, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
