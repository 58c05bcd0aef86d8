"""The command and its clients over one of the protocols."""

from __future__ import annotations

import functools

from served_process import Run, ServedProcess
from wire_client import Answer, Connection

from tests.protocols.protocol import Protocol
from tests.protocols.tls_files import Authority


class Over:
    """What a test needs that is run over each protocol.

    Args:
        protocol: the one that is spoken.
        authority: who signs the server's certificate, where it needs one.
        serve: starts `hyperfastapi run`.
    """

    def __init__(self, protocol: Protocol, authority: Authority, serve: Run) -> None:
        self.protocol = protocol
        self._authority = authority
        self._serve = serve

    def serve(self, *arguments: str, **environment: str | None) -> ServedProcess:
        """Like the fixture `serve`, for a server that speaks the protocol."""
        if self.protocol.is_secure:
            cert, key = self._authority.issue("localhost")
            arguments += ("--tls-cert", str(cert), "--tls-key", str(key))
        return self._serve(*arguments, **environment)

    def connect(self, server: ServedProcess) -> Connection:
        """Open a connection, on which HTTP/1.1 is spoken in the protocol's place."""
        connect = functools.partial(self.protocol.connect, authority=self._authority)
        return Connection(server.port, connect=connect, closes=not self.protocol.is_http2)

    def get(self, server: ServedProcess, target: str = "/", *headers: str) -> Answer:
        """Send a GET request on a connection of its own and return the response."""
        with self.connect(server) as connection:
            connection.request(target, *headers)
            return connection.answer()
