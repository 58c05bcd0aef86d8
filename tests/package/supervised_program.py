"""Run under test_supervisor.py: real workers around a stand-in for the C server.

The stand-in accepts a connection, writes its process id and the action that it then carries out,
which the test names in the line that it sends.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import select
import signal
import socket
import sys
import time
import warnings

from hyperfastapi import _config, _launch, _server


def say(line: str) -> None:
    """One write a line, so that the lines of several processes do not mix."""
    os.write(1, f"{line}\n".encode())


def answer(connection: socket.socket) -> None:
    action = connection.makefile().readline().strip()
    connection.sendall(f"{os.getpid()}\n".encode())
    connection.close()
    if action == "crash":
        os._exit(9)
    elif action == "finish":
        raise SystemExit(0)
    elif action == "hang":
        # Without a thread switch nothing of this process runs, as in a long call of a C library.
        sys.setswitchinterval(1e6)
        while True:
            pass


def serve(config, app, fds, *, on_started=None, shared=False, parent_alive=None):
    stopping = []
    before = {
        number: signal.signal(number, lambda number, frame: stopping.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    listeners = [socket.socket(fileno=fd) for fd in fds]
    if app == "fails":
        logging.getLogger("hyperfastapi.error").error("no database")
        return 3
    if app == "dies":
        os._exit(7)
    if app == "never starts":
        time.sleep(3600)
    on_started()
    while not stopping:
        watched = [*listeners, *([] if parent_alive is None else [parent_alive])]
        ready, _, _ = select.select(watched, [], [], 0.01)
        if parent_alive in ready:
            return 0
        for listener in ready:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            connection.setblocking(True)
            answer(connection)
    for listener in listeners:
        listener.close()
    if app == "never ends":
        time.sleep(3600)
    say(f"drained {os.getpid()}")
    for number, handler in before.items():
        signal.signal(number, handler)
    for number in stopping:
        signal.raise_signal(number)
    return 0


def load(app: str) -> object:
    atexit.register(say, "left")
    if app == "third fails":
        with open(os.environ["MARKER"], "a+") as marker:
            marker.write("x")
            if marker.tell() >= 3:
                raise RuntimeError("no third start")
    return app


if __name__ == "__main__":
    warnings.simplefilter("error")
    settings = json.loads(sys.argv[2])
    config = _config.Config(port=0, **settings)
    _server.serve = serve
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level="INFO")
    sys.exit(_launch._run(config, lambda: load(sys.argv[1])))
