"""``python -m tests.attacks.server``: the server in a process of its own.

Prints its port and the number of the thread that serves; then, for each line on standard input, its
counters; ends with the input.
"""

from __future__ import annotations

import json
import sys

from hyperfastapi.testing import ThreadServer

from .app import app


def main() -> None:
    with ThreadServer(app, lifespan=False) as server:
        thread = server._thread.native_id
        print(json.dumps({"port": server.port, "thread": thread}), flush=True)
        for _ in sys.stdin:
            core = server._server._core
            assert core is not None
            print(json.dumps(core.counters), flush=True)


if __name__ == "__main__":
    main()
