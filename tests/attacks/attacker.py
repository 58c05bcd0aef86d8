"""``python -m tests.attacks.attacker NAME PORT CONNECTIONS SECONDS``: one attack, on and on.

Prints how many connections it has made.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

from .attack import ATTACKS, Attack

_RECEIVE = 65536


class _Connection:
    """One attacking connection, without blocking."""

    def __init__(self, attack: Attack, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setblocking(False)
        self._left = memoryview(attack.bytes)
        self._holds = attack.holds

    @property
    def interest(self) -> int:
        reads = 0 if self._holds else selectors.EVENT_READ
        return reads | (selectors.EVENT_WRITE if self._left else 0)

    def go_on(self, events: int) -> bool:
        """Send and receive; False: the server has ended the connection."""
        try:
            if events & selectors.EVENT_WRITE:
                self._left = self._left[self.socket.send(self._left) :]
            return not events & selectors.EVENT_READ or bool(self.socket.recv(_RECEIVE))
        except BlockingIOError:
            return True
        except OSError:
            return False


def attack(name: str, port: int, connections: int, seconds: float) -> int:
    """Attack for a while; returns the number of connections made."""
    chosen = next(each for each in ATTACKS if each.name == name)
    made = 0
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        while time.monotonic() < end:
            while len(selector.get_map()) < connections:
                connection = _Connection(chosen, port)
                selector.register(connection.socket, connection.interest, connection)
                made += 1
            for key, events in selector.select(min(0.1, max(0.0, end - time.monotonic()))):
                connection = key.data
                alive = connection.go_on(events)
                if alive and connection.interest:
                    selector.modify(key.fileobj, connection.interest, connection)
                    continue
                selector.unregister(key.fileobj)
                if not alive:
                    connection.socket.close()
                elif chosen.holds:
                    # Nothing more to send, and nothing to be read: it stays as it is.
                    _HELD.append(connection)
                    connections -= 1
    return made


_HELD: list[_Connection] = []

if __name__ == "__main__":
    name, port, connections, seconds = sys.argv[1:]
    print(attack(name, int(port), int(connections), float(seconds)))
