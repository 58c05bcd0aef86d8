"""What an application is told, without what each protocol says of itself."""

from __future__ import annotations

from typing import Any

from ..protocols.protocol import Protocol

_ABSENT_IN_HTTP2 = {b"connection", b"upgrade", b"sec-websocket-key", b"transfer-encoding"}


def as_told(note: Any, protocol: Protocol, wanted: Protocol) -> Any:
    """Translate what was noted over one protocol into what it is over another.

    Args:
        note: a scope, its items, or anything else that an application has noted.
        protocol: the one that it was noted over.
        wanted: the one to translate it into.
    """
    if isinstance(note, dict):
        return dict(as_told(list(note.items()), protocol, wanted))
    if isinstance(note, list):
        return [as_told(each, protocol, wanted) for each in note if not _is_absent(each, wanted)]
    if isinstance(note, tuple) and len(note) == 2:
        return _item(note, protocol, wanted)
    return note


def _is_absent(item: Any, wanted: Protocol) -> bool:
    return wanted.is_http2 and isinstance(item, tuple) and item[0] in _ABSENT_IN_HTTP2


def _item(item: tuple[Any, Any], protocol: Protocol, wanted: Protocol) -> Any:
    name, value = item
    if name == "http_version" and value == protocol.version:
        value = wanted.version
    elif name == "scheme" and value in ("http", "https", "ws", "wss"):
        value = value.rstrip("s") if value != "ws" and value != "wss" else "ws"
        value += "s" if wanted.is_secure else ""
    elif name == "extensions":
        value = {each: value[each] for each in value if each != "tls"}
    elif isinstance(value, list | dict):
        value = as_told(value, protocol, wanted)
    return name, value
