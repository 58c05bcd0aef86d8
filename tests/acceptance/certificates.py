"""Certificate renewal under load: no request may fail for it."""

from __future__ import annotations

import queue
import signal
import threading
import time

from tests.protocols.http2_client import Http2Connection
from tests.protocols.tls_files import Authority

from .served import Served

_KEPT_FOR = 10
"""Requests on a connection before the client opens the next."""


class _Client(threading.Thread):
    """Asks over TLS and HTTP/2 until it is told to stop, on one connection after the other."""

    def __init__(self, port: int, authority: Authority) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._authority = authority
        self.stops = threading.Event()
        self.asked = 0
        self.connections = 0
        self.failures: queue.Queue[str] = queue.Queue()

    def run(self) -> None:
        while not self.stops.is_set():
            try:
                self._visit()
            except Exception as error:
                self.failures.put(repr(error))

    def _visit(self) -> None:
        tls = self._authority.client(alpn=("h2",))
        self.connections += 1
        with Http2Connection(self._port, tls=tls) as connection:
            for _ in range(_KEPT_FOR):
                self.asked += 1
                if connection.get().status != 200:
                    self.failures.put("not answered with 200")


def rotate(served: Served, times: int) -> int:
    """Renew the certificate again and again while clients ask.

    Args:
        served: the server; it is stopped by its owner.
        times: how often to renew.

    Returns:
        An exit status: 1 where a request has failed or a renewal was not taken.
    """
    clients = [_Client(served.port, served.authority) for _ in range(4)]
    for client in clients:
        client.start()
    began = time.monotonic()
    for number in range(1, times + 1):
        served.authority.issue("localhost")
        served.send_signal(signal.SIGHUP)
        served.wait_for("TLS certificates loaded again", number)
    for client in clients:
        client.stops.set()
    for client in clients:
        client.join()
    failures = [failure for client in clients for failure in list(client.failures.queue)]
    asked, connections = sum(c.asked for c in clients), sum(c.connections for c in clients)
    print(
        f"{times} renewals in {time.monotonic() - began:.1f} s: {asked} requests on {connections}"
        f" connections, {len(failures)} failed"
    )
    for failure in failures[:10]:
        print(f"  {failure}")
    return 1 if failures else 0
