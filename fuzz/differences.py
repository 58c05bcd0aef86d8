"""Where we read requests otherwise than llhttp and h11, on purpose: all of it, with the reasons.

A difference that none of these explains is a defect, of ours or of this list.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from fuzz.readings import Request

REFUSE = "we refuse, they do not"
ACCEPT = "they refuse, we do not"
OTHERWISE = "both accept, and read otherwise"


@dataclass(frozen=True)
class Case:
    """Two readings, from where they part.

    Attributes:
        kind: one of the constants above.
        rest: the bytes from the first request that is not read alike, or, when only we refuse, from
            the one that we refuse.
        status: what we answer, when we refuse.
        ours, theirs: the request as both have read it, where they have.
    """

    kind: str
    rest: bytes
    status: int
    ours: Request | None
    theirs: Request | None

    @cached_property
    def head(self) -> bytes:
        """The head as the most lenient of parsers finds it, empty lines in front left out."""
        text = self.rest.lstrip(b"\r\n")
        end = re.search(rb"\n\r?\n", text)
        return text[: end.end()] if end else text

    @cached_property
    def opening(self) -> bytes:
        """The empty lines in front of the head, and the head."""
        empty = len(self.rest) - len(self.rest.lstrip(b"\r\n"))
        return self.rest[:empty] + self.head

    @cached_property
    def body(self) -> bytes:
        """What is behind the head."""
        return self.rest[len(self.opening) :]

    @cached_property
    def line(self) -> bytes:
        """The request line."""
        return re.split(rb"\r?\n", self.head)[0]

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a field, in lower case, as a lenient parser finds them."""
        pattern = rb"^%s[ \t]*:[ \t]*([^\r\n]*)" % re.escape(name)
        found = re.findall(pattern, self.head, re.IGNORECASE | re.MULTILINE)
        return [value.strip(b" \t").lower() for value in found]

    @cached_property
    def is_chunked(self) -> bool:
        """Whether chunks stand behind the head."""
        return b"chunked" in b",".join(self.values(b"transfer-encoding"))


@dataclass(frozen=True)
class Difference:
    """One difference that is meant.

    Attributes:
        reason: why we do it so.
        kind: one of the constants above.
        readers: the parsers of whom it holds.
        status: what we answer, where we refuse.
        holds: whether it explains a case.
    """

    reason: str
    kind: str
    readers: tuple[str, ...]
    status: int
    holds: Callable[[Case], bool]


_BOTH = ("llhttp", "h11")
# llhttp 9's, without RTSP's.
_LLHTTP_METHODS = frozenset(
    b"DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH "
    b"SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY "
    b"SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK SOURCE QUERY".split()
)
_TCHAR = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_NAME = re.compile(rb"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+(?::[0-9]*)?)?")
_FUTURE_ADDRESS = re.compile(rb"[vV][0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+")
_LITERAL = re.compile(rb"\[([0-9A-Fa-f:.]+|[vV][^\]]*)\](?::[0-9]*)?")
_TARGET = re.compile(
    rb"/.*|\*|(?:https?|wss?)://[^/?#@\s]+(?:[/?#].*)?|[^/?#@\s]+:[0-9]+", re.IGNORECASE | re.DOTALL
)


def _target(case: Case) -> bytes:
    words = case.line.split(b" ")
    return words[1] if len(words) > 1 else b""


def _as_h11(request: Request, version: bytes) -> Request:
    """Return a request of ours in h11's words; `version` is what h11 has read."""
    fields = tuple(
        (name, value.lower() if name == b"transfer-encoding" else value)
        for name, value in request.fields
    )
    is_later = re.fullmatch(rb"1\.[2-9]", version) is not None and request.version == b"1.1"
    return replace(request, fields=fields, version=version if is_later else request.version)


def _is_http_1_0(case: Case) -> bool:
    return case.line.endswith(b"HTTP/1.0")


def _is_host(value: bytes) -> bool:
    """Whether it is a host and perhaps a port (RFC 3986 3.2.2)."""
    literal = _LITERAL.fullmatch(value)
    if literal is None:
        return _NAME.fullmatch(value) is not None
    if literal[1][:1] in b"vV":
        return _FUTURE_ADDRESS.fullmatch(literal[1]) is not None
    try:
        ipaddress.IPv6Address(literal[1].decode())
    except ValueError:
        return False
    return True


def _has_bad_host(case: Case) -> bool:
    hosts = case.values(b"host")
    if not hosts:
        return not _is_http_1_0(case)
    return len(hosts) > 1 or not _is_host(hosts[0])


def _has_bad_target(case: Case) -> bool:
    method, target = case.line.split(b" ")[0], _target(case)
    if not _TARGET.fullmatch(target) or re.search(rb"[^\x21-\x7e]", target):
        return True
    authority = re.match(rb"[a-z]+://([^/?#]*)", target, re.IGNORECASE)
    if authority:
        return not _is_host(authority[1])
    if target.startswith(b"/"):
        return False
    return (target == b"*") != (method == b"OPTIONS") or (target != b"*" and method != b"CONNECT")


def _has_folded_line(case: Case) -> bool:
    return re.search(rb"\n[ \t]", case.head) is not None


def _has_bad_field(case: Case) -> bool:
    """A name that is no token, or a control byte in a value."""
    lines = re.split(rb"\r?\n", case.head)[1:]
    name = re.compile(rb"%s+:[^\x00-\x08\x0a-\x1f\x7f]*" % _TCHAR)
    return any(line and not name.fullmatch(line) for line in lines)


def _has_two_lengths(case: Case) -> bool:
    values = case.values(b"content-length")
    return len(values) > 1 or any(b"," in value for value in values)


def _has_bad_length(case: Case) -> bool:
    return any(not re.fullmatch(rb"[0-9]+", value) for value in case.values(b"content-length"))


def _has_length_and_coding(case: Case) -> bool:
    return bool(case.values(b"content-length")) and bool(case.values(b"transfer-encoding"))


def _has_other_coding(case: Case) -> bool:
    values = case.values(b"transfer-encoding")
    return bool(values) and values != [b"chunked"]


def _has_other_expectation(case: Case) -> bool:
    return any(value != b"100-continue" for value in case.values(b"expect"))


def _first_bad_chunk(case: Case) -> bytes | None:
    """Walks through good chunks; returns what stands where the first that is not good begins."""
    body = case.body
    while match := re.match(rb"([0-9A-Fa-f]{1,16})\r\n", body):
        size, behind = int(match[1], 16), body[match.end() :]
        if size == 0:
            trailers = re.match(
                rb"(?:%s+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*(?=\r\n)" % _TCHAR, behind
            )
            return None if trailers else b"trailers " + behind
        if behind[size : size + 2] != b"\r\n":
            return behind[:size] + b"!" if len(behind) > size else None
        body = behind[size + 2 :]
    return body


def _has_bad_chunk(case: Case) -> bool:
    return case.is_chunked and _first_bad_chunk(case) is not None


DIFFERENCES = [
    # Refused by us.
    Difference(
        "A bare LF or CR is no line end: RFC 9112 2.2 permits the LF, but proxies disagree.",
        REFUSE,
        _BOTH,
        400,
        lambda case: _BARE.search(case.opening) is not None,
    ),
    Difference(
        "More than two empty lines in front of a request: RFC 9112 2.2 asks to pass over one.",
        REFUSE,
        _BOTH,
        400,
        lambda case: re.match(rb"(?:\r\n){3}", case.rest) is not None,
    ),
    Difference(
        "A folded line (obs-fold): RFC 9112 5.2 lets a server refuse it.",
        REFUSE,
        _BOTH,
        400,
        _has_folded_line,
    ),
    Difference(
        "A field name that is no token, or a control byte in a value: RFC 9110 5.1 and 5.5.",
        REFUSE,
        _BOTH,
        400,
        _has_bad_field,
    ),
    Difference(
        "A method that is no token, or other white space than single SPs: RFC 9112 3.",
        REFUSE,
        _BOTH,
        400,
        lambda case: not re.match(rb"%s+ [^ \t]+ HTTP/[0-9]\.[0-9]\Z" % _TCHAR, case.line),
    ),
    Difference(
        "A target in no form that the method allows, or with a byte that no URI has: RFC 9112 3.2.",
        REFUSE,
        _BOTH,
        400,
        _has_bad_target,
    ),
    Difference(
        "HTTP/0.9, /2 and others: answered with 505.",
        REFUSE,
        _BOTH,
        505,
        lambda case: not re.search(rb" \S+ HTTP/1\.[0-9]\Z", case.line),
    ),
    Difference(
        "No Host, two of them, or one that is no host and port: RFC 9112 3.2.",
        REFUSE,
        _BOTH,
        400,
        _has_bad_host,
    ),
    Difference(
        "Two Content-Lengths, even equal ones: RFC 9112 6.3 permits to join them, and somebody on "
        "the way may not have.",
        REFUSE,
        _BOTH,
        400,
        _has_two_lengths,
    ),
    Difference(
        "A Content-Length that is no number: some read a sign, white space or nothing.",
        REFUSE,
        _BOTH,
        400,
        _has_bad_length,
    ),
    Difference(
        "A Content-Length beyond 63 bits: nobody sends so much, and others count in 64 bits.",
        REFUSE,
        _BOTH,
        413,
        lambda case: any(int(value) >= 2**63 for value in case.values(b"content-length")),
    ),
    Difference(
        "Content-Length beside Transfer-Encoding: RFC 9112 6.1 calls it an attack.",
        REFUSE,
        _BOTH,
        400,
        _has_length_and_coding,
    ),
    Difference(
        "Transfer-Encoding from an HTTP/1.0 client: RFC 9112 6.1 calls its framing faulty.",
        REFUSE,
        _BOTH,
        400,
        lambda case: bool(case.values(b"transfer-encoding")) and _is_http_1_0(case),
    ),
    Difference(
        "Codings other than chunked alone, malformed: RFC 9112 6.1.",
        REFUSE,
        _BOTH,
        400,
        _has_other_coding,
    ),
    Difference(
        "Codings that we do not have: RFC 9112 6.1 asks for 501.",
        REFUSE,
        _BOTH,
        501,
        _has_other_coding,
    ),
    Difference(
        "An expectation other than 100-continue: RFC 9110 10.1.1 permits 417.",
        REFUSE,
        _BOTH,
        417,
        _has_other_expectation,
    ),
    Difference(
        "Chunk extensions, white space behind a size, sizes of more than 16 digits, data without "
        "CRLF, trailers that are no fields: no client needs them, and parsers disagree.",
        REFUSE,
        _BOTH,
        400,
        _has_bad_chunk,
    ),
    # Refused by them.
    Difference(
        "Any token is a method (RFC 9110 9.1); llhttp has a list.",
        ACCEPT,
        ("llhttp",),
        0,
        lambda case: case.ours is not None and case.ours.method not in _LLHTTP_METHODS,
    ),
    Difference(
        "HTTP/1.2 to 1.9 count as 1.1 (RFC 9110 2.5); llhttp refuses them.",
        ACCEPT,
        ("llhttp",),
        0,
        lambda case: re.search(rb" HTTP/1\.[2-9]\Z", case.line) is not None,
    ),
    Difference(
        "Trailers are dropped, whatever they are called; llhttp minds a Content-Length among them.",
        ACCEPT,
        ("llhttp",),
        0,
        lambda case: (
            case.is_chunked
            and re.search(rb"^(?:content-length|transfer-encoding):", case.body, re.I | re.M)
            is not None
        ),
    ),
    Difference(
        "A HTAB behind a value is white space (RFC 9110 5.5); to llhttp it is part of a coding.",
        ACCEPT,
        ("llhttp",),
        0,
        lambda case: (
            re.search(rb"^transfer-encoding:[^\r]*\t[ \t]*\r", case.head, re.I | re.M) is not None
        ),
    ),
    Difference(
        "One or two empty lines in front of a request (RFC 9112 2.2); h11 has none of it.",
        ACCEPT,
        ("h11",),
        0,
        lambda case: case.rest.startswith(b"\r\n"),
    ),
    # Read otherwise.
    Difference(
        "HTTP/1.2 to 1.9 count as 1.1 (RFC 9110 2.5), and values stay as they were sent; h11 names "
        "versions as they are and lower-cases the value of Transfer-Encoding.",
        OTHERWISE,
        ("h11",),
        0,
        lambda case: (
            case.ours is not None
            and case.theirs is not None
            and case.theirs == _as_h11(case.ours, case.theirs.version)
        ),
    ),
    Difference(
        "A server may ignore an Upgrade (RFC 9110 7.8), and then its body is a body; llhttp leaves "
        "what is behind the head to the new protocol. A WebSocket handshake with a body is refused "
        "one layer up.",
        OTHERWISE,
        ("llhttp",),
        0,
        lambda case: (
            case.theirs is not None
            and (case.ours is None or case.theirs == replace(case.ours, body=b""))
            and bool(case.values(b"upgrade"))
            and b"upgrade" in b",".join(case.values(b"connection"))
        ),
    ),
]


def explain(reader: str, case: Case) -> Difference | None:
    """Return the difference on the list that explains a case, if one does.

    Args:
        reader: the name of the other parser.
        case: where it and we part.
    """
    for difference in DIFFERENCES:
        if (
            difference.kind == case.kind
            and reader in difference.readers
            and difference.status == case.status
            and difference.holds(case)
        ):
            return difference
    return None
