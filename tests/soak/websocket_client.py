"""A small RFC 6455 client over a raw connection: it can send half a frame, and leave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import struct

from tests.soak.http_client import ANSWER_SECONDS, Connection, Unanswered, request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode: int, payload: bytes, rng: random.Random, final: bool = True) -> bytes:
    """Return a masked frame."""
    length = len(payload)
    head = bytearray([(0x80 if final else 0) | opcode])
    if length < 126:
        head.append(0x80 | length)
    elif length < 65536:
        head += struct.pack("!BH", 0x80 | 126, length)
    else:
        head += struct.pack("!BQ", 0x80 | 127, length)
    mask = rng.randbytes(4)
    repeated = (mask * (length // 4 + 1))[:length]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return bytes(head) + mask + masked.to_bytes(length, "big")


class WebSocketClient:
    """A WebSocket over a connection that is open."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.rng = connection.rng

    async def open(self, path: str) -> int:
        """Ask for the upgrade, and return the status: 101 where it was granted.

        Raises:
            Unanswered: the connection ended first, or the server's proof is wrong.
        """
        key = base64.b64encode(self.rng.randbytes(16))
        fields = {
            "upgrade": "websocket",
            "connection": "Upgrade",
            "sec-websocket-key": key.decode(),
            "sec-websocket-version": "13",
        }
        await self.connection.send(request("GET", path, self.connection.port, fields))
        answer = await self.connection.answer()
        if answer.status == 101:
            proof = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()
            if answer.fields.get("sec-websocket-accept") != proof:
                raise Unanswered("sec-websocket-accept does not fit the key")
        return answer.status

    async def send(self, opcode: int, payload: bytes, fragments: int = 1) -> None:
        """Send a message, cut at random into fragments."""
        cuts = sorted(self.rng.randrange(len(payload) + 1) for _ in range(fragments - 1))
        bounds = list(zip([0, *cuts], [*cuts, len(payload)], strict=True))
        for number, (start, end) in enumerate(bounds):
            kind = opcode if number == 0 else CONTINUATION
            final = number == len(bounds) - 1
            await self.connection.send(frame(kind, payload[start:end], self.rng, final))

    async def receive(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next message or control frame.

        Pings are answered and passed over: a server sends them when it likes.

        Raises:
            Unanswered: the connection ended first, or a minute passed.
        """
        try:
            while True:
                received = await asyncio.wait_for(self._receive(), ANSWER_SECONDS)
                if received[0] != PING:
                    return received
                await self.send(PONG, received[1])
        except asyncio.TimeoutError:
            raise Unanswered(f"no message in {ANSWER_SECONDS:.0f} s") from None
        except asyncio.IncompleteReadError as error:
            raise Unanswered(f"cut inside a frame, after {error.partial[-40:]!r}") from None
        except OSError as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error

    async def _receive(self) -> tuple[int, bytes]:
        reader = self.connection.reader
        message = bytearray()
        kind = None
        while True:
            first, second = await reader.readexactly(2)
            length = second & 0x7F
            if second & 0x80:
                raise Unanswered("the server sent a masked frame")
            if length == 126:
                (length,) = struct.unpack("!H", await reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await reader.readexactly(8))
            payload = await reader.readexactly(length)
            opcode = first & 0x0F
            if opcode >= CLOSE:
                return opcode, payload
            kind = opcode if kind is None else kind
            message += payload
            if first & 0x80:
                return kind, bytes(message)

    async def close(self, code: int = 1000) -> int:
        """Close in order, and return the code that the server closed with."""
        await self.connection.send(frame(CLOSE, struct.pack("!H", code), self.rng))
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return int(struct.unpack("!H", payload[:2])[0]) if len(payload) >= 2 else 1005
