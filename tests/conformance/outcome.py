"""What came of one step, in a form in which sides can be compared."""

from __future__ import annotations

import dataclasses
import http
import re
from typing import Any

# Where an object is in memory is nothing that two sides could have in common.
_ADDRESS = re.compile(r"(?<=cancel scope )[0-9a-f]+| at 0x[0-9a-f]+")


@dataclasses.dataclass
class Outcome:
    """What one step did.

    Attributes:
        wire: the bytes that the client gets in HTTP/1.1, the server's `date` and `server` apart.
        escaped: the exception that reached the server, with its causes.
        notes: what the application noted.
    """

    wire: bytes = b""
    escaped: Any = None
    notes: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)


def described(exception: BaseException | None, seen: tuple[BaseException, ...] = ()) -> Any:
    """An exception with its causes, its context and what it groups."""
    if exception is None:
        return None
    if any(exception is above for above in seen):
        return "one of those above"
    seen = (*seen, exception)
    return {
        "exception": _ADDRESS.sub("", repr(exception)),
        "cause": described(exception.__cause__, seen),
        "context": described(exception.__context__, seen),
        "group": [described(e, seen) for e in getattr(exception, "exceptions", ())],
    }


def http1(method: str, messages: list[dict[str, Any]]) -> bytes:
    """The bytes that a server makes of an application's messages.

    Args:
        method: of the request; the response to HEAD has no body.
        messages: what the application sent; without a last one the response is cut.
    """
    if not messages:
        return (
            b"HTTP/1.1 500 Internal Server Error\r\n"
            b"content-type: text/plain; charset=utf-8\r\n"
            b"content-length: 21\r\nconnection: close\r\n\r\n"
            b"Internal Server Error"
        )
    start, *bodies = messages
    status = start["status"]
    phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus._value2member_map_ else ""
    lines = [b"HTTP/1.1 %d %s" % (status, phrase.encode())]
    lines += [name.lower() + b": " + value for name, value in start.get("headers", ())]
    has_body = method != "HEAD" and status not in (204, 304)
    chunked = has_body and not any(n.lower() == b"content-length" for n, _ in start["headers"])
    if chunked:
        lines.append(b"transfer-encoding: chunked")
    wire = b"\r\n".join([*lines, b"", b""])
    if not has_body:
        return wire
    for message in bodies:
        piece = bytes(message.get("body", b""))
        if chunked and piece:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        wire += piece
        if chunked and not message.get("more_body", False):
            wire += b"0\r\n\r\n"
    return wire
