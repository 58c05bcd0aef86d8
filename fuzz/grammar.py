"""Requests by the grammar of RFC 9112, and how they go wrong."""

from __future__ import annotations

import random

_METHODS = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH"]
_ODD_METHODS = [b"get", b"BREW", b"M-SEARCH", b"G\xc8T", b"", b"GET ", b"X!#$%&'*+-.^_`|~9", b"G(T"]
_TARGETS = [b"/", b"/a", b"/items/5?q=a&r=b", b"/%41%zz", b"/a//b/../c", b"/?a?b"]
_ODD_TARGETS = [
    b"*",
    b"",
    b"a",
    b"http://example.com/a?b",
    b"HTTPS://example.com",
    b"http://user@example.com/",
    b"http://",
    b"example.com:443",
    b"//a/b",
    b"/a#b",
    b"/\xc3\xa9",
    b"/a\tb",
    b"/a b",
    b"/\x00",
    b"/" + b"a" * 300,
]
_ODD_VERSIONS = [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.", b""]
_HOSTS = [b"example.com", b"example.com:8000", b"127.0.0.1", b"[::1]:80", b"a"]
_ODD_HOSTS = [b"", b"a b", b"user@a", b"a:b", b"a/b", b"[::1", b"a,b", b"a%41", b"\xe9"]
_LENGTHS = [
    b"+5",
    b"-1",
    b"5, 5",
    b"5,6",
    b"0x5",
    b"5 5",
    b"",
    b"05",
    b"5_0",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"\xd9\xa5",
]
_CODINGS = [
    b"Chunked",
    b"chunked, chunked",
    b"gzip, chunked",
    b"chunked, gzip",
    b"gzip",
    b"identity",
    b"chunked;q=1",
    b"x chunked",
    b",chunked",
    b"",
    b"\x0bchunked",
    b'"chunked"',
]
_FIELDS = [
    (b"Accept", b"*/*"),
    (b"user-agent", b"fuzz/1 (a; b)"),
    (b"Cookie", b'a=b; c="d"'),
    (b"connection", b"keep-alive"),
    (b"Connection", b"close"),
    (b"expect", b"100-continue"),
    (b"upgrade", b"websocket"),
    (b"connection", b"keep-alive, Upgrade"),
    (b"trailer", b"x-sum"),
    (b"X-Empty", b""),
    (b"x-latin", b"\xe9\xff"),
    (b"x!#$%&'*+-.^_`|~", b"1"),
]
_ODD_FIELDS = [
    (b"expect", b"something"),
    (b"x y", b"1"),
    (b"x ", b"1"),
    (b" x", b"1"),
    (b"", b"1"),
    (b"x\xe9", b"1"),
    (b"x\x00", b"1"),
    (b"x", b"a\x00b"),
    (b"x", b"a\x01b"),
    (b"x", b"a\x7fb"),
    (b"x", b"a\rb"),
    (b"x", b"a\nb"),
    (b"x", b"a\r\n b"),
    (b"x", b"a\r\n\tb"),
    (b"x", b"\r\n b"),
    (b"x", b"\r\n\r\n"),
    (b"x(", b"1"),
    (b"content_length", b"5"),
    (b"transfer-encoding\t", b"chunked"),
    (b"x", b"y" * 700),
]
_ODD_SIZES = [
    b"5;a=b",
    b"5 ;a",
    b'5;a="\r\n"',
    b"5 ",
    b" 5",
    b"+5",
    b"-5",
    b"0x5",
    b"",
    b"g",
    b"5\xa0",
    b"00000000000000005",
    b"000000000000000000000005",
    b"ffffffffffffffff",
    b"10000000000000005",
    b"5_0",
]
_ODD_TRAILERS = [b"x-sum: a", b"x", b" x: a", b"x : a", b"x: a\x00", b"content-length: 5", b": a"]
_BYTES = [
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\0",
    b":",
    b";",
    b",",
    b"0",
    b"\x7f",
    b"\xff",
    b"\x0b",
]
_LINE_ENDS = [b"\n", b"\r", b"\r\r\n", b"\n\n", b"\r\n\r\n", b""]


class Grammar:
    """Makes inputs: one to three requests, most of them good but for a thing or two.

    Args:
        rng: the dice.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._oddity = 0.0

    def input(self) -> bytes:
        """Return the bytes that a client sends."""
        rng = self._rng
        # Nearly good inputs get furthest.
        self._oddity = rng.choice((0.0, 0.02, 0.02, 0.05, 0.2))
        data = b"".join(self._request() for _ in range(rng.choice((1, 1, 2, 3))))
        if rng.random() < 0.3:
            for _ in range(rng.choice((1, 1, 2, 4))):
                data = self._mutate(data)
        if rng.random() < 0.1:
            data = data[: rng.randrange(len(data) + 1)]
        return data

    def _is_odd(self) -> bool:
        return self._rng.random() < self._oddity

    def _end(self) -> bytes:
        return self._rng.choice(_LINE_ENDS) if self._rng.random() < self._oddity / 4 else b"\r\n"

    def _space(self) -> bytes:
        return self._rng.choice((b" ", b" ", b" ", b"", b"  ", b"\t", b" \t"))

    def _request(self) -> bytes:
        rng = self._rng
        method = rng.choice(_ODD_METHODS) if self._is_odd() else rng.choice(_METHODS)
        target = rng.choice(_ODD_TARGETS) if self._is_odd() else rng.choice(_TARGETS)
        version = rng.choice(_ODD_VERSIONS) if self._is_odd() else b"HTTP/1.1"
        separator = rng.choice((b"  ", b"\t", b"")) if self._is_odd() else b" "
        fields, body = self._framing()
        fields += [rng.choice(_FIELDS) for _ in range(rng.choice((0, 0, 1, 2, 4)))]
        if self._is_odd():
            fields.append(rng.choice(_ODD_FIELDS))
        host = rng.choice(_ODD_HOSTS) if self._is_odd() else rng.choice(_HOSTS)
        if not self._is_odd():
            fields.append((rng.choice((b"host", b"Host")), host))
        if self._is_odd():
            fields.append((b"host", host))
        rng.shuffle(fields)
        lines = b"".join(
            name + b":" + self._space() + value + rng.choice((b"", b"", b"", b" ")) + self._end()
            for name, value in fields
        )
        before = b"\r\n" * rng.choice((1, 2, 3)) if self._is_odd() else b""
        line = method + separator + target + b" " + version
        if self._is_odd():
            line = rng.choice((method + b" " + target, line + b" ", b" " + line))
        return before + line + self._end() + lines + self._end() + body

    def _framing(self) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """Return the fields that frame a body, and the body."""
        rng = self._rng
        content = rng.choice((b"", b"hello", b"0\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
        fields: list[tuple[bytes, bytes]] = []
        form = rng.choice(("none", "length", "length", "chunked", "chunked"))
        if form == "none":
            return fields, b""
        if form == "length" or self._is_odd():
            odd_length = rng.choice((*_LENGTHS, str(len(content) + 1).encode()))
            length = odd_length if self._is_odd() else str(len(content)).encode()
            fields.append((rng.choice((b"content-length", b"Content-Length")), length))
            if self._is_odd():
                fields.append((b"content-length", length))
        if form == "chunked":
            coding = rng.choice(_CODINGS) if self._is_odd() else b"chunked"
            fields.append((rng.choice((b"transfer-encoding", b"Transfer-Encoding")), coding))
            if self._is_odd():
                fields.append((b"transfer-encoding", coding))
            return fields, self._chunks(content)
        return fields, content

    def _chunks(self, content: bytes) -> bytes:
        rng = self._rng
        chunks = b""
        while content:
            part, content = content[: rng.randrange(1, 9)], content[8:]
            size = rng.choice((b"%x", b"%X", b"%04x")) % len(part)
            if self._is_odd():
                size = rng.choice(_ODD_SIZES)
            chunks += size + self._end() + part + self._end()
        last = rng.choice((b"00", b"0;a", b"0 ", b"")) if self._is_odd() else b"0"
        trailers = b""
        if rng.random() < 0.2:
            trailers = (rng.choice(_ODD_TRAILERS) if self._is_odd() else b"x-sum: a") + self._end()
        return chunks + last + self._end() + trailers + self._end()

    def _mutate(self, data: bytes) -> bytes:
        rng = self._rng
        at = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 1, 2, 4, 16))
        change = rng.choice(("insert", "replace", "delete", "repeat", "any"))
        if change == "insert":
            return data[:at] + rng.choice(_BYTES) + data[at:]
        if change == "replace":
            return data[:at] + rng.choice(_BYTES) + data[at + 1 :]
        if change == "delete":
            return data[:at] + data[at + length :]
        if change == "repeat":
            return data[:at] + data[at : at + length] * 2 + data[at + length :]
        return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
