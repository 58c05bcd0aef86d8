"""The four ways to carry HTTP to a server, so that a test that is written once is run on each."""

from __future__ import annotations

import dataclasses
import socket

from .gateway import Gateway
from .tls_files import Authority

SECONDS = 30.0
"""After which anything awaited is taken for lost. Nothing that works comes near it."""


@dataclasses.dataclass(frozen=True)
class Protocol:
    """One way to carry HTTP.

    Attributes:
        name: what tests are called by.
        is_secure: over TLS.
        is_http2: HTTP/2; without TLS it is chosen by prior knowledge.
    """

    name: str
    is_secure: bool
    is_http2: bool

    @property
    def scheme(self) -> str:
        return "https" if self.is_secure else "http"

    @property
    def version(self) -> str:
        """What the application is told."""
        return "2" if self.is_http2 else "1.1"

    def connect(self, port: int, authority: Authority) -> socket.socket:
        """Open a connection to 127.0.0.1 that takes and gives HTTP/1.1, whatever carries it.

        Args:
            port: the server's.
            authority: who has signed the server's certificate, for `localhost`.
        """
        connection = socket.create_connection(("127.0.0.1", port), SECONDS)
        if self.is_secure:
            context = authority.client(alpn=("h2",) if self.is_http2 else ("http/1.1",))
            connection = context.wrap_socket(connection, server_hostname="localhost")
        return Gateway(connection).socket if self.is_http2 else connection


HTTP1 = Protocol("http1", is_secure=False, is_http2=False)
HTTP1_TLS = Protocol("http1-tls", is_secure=True, is_http2=False)
H2C = Protocol("h2c", is_secure=False, is_http2=True)
H2 = Protocol("h2", is_secure=True, is_http2=True)
EVERY = (HTTP1, HTTP1_TLS, H2C, H2)
