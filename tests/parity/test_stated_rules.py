"""Where the reference server has a quirk, the RFC and the safe choice are ours instead."""

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from .applications import answering, get, read_body

OK = answering(b"ok", headers=[(b"content-length", b"2")])


def everything(request: bytes):
    """Send, then read until the server closes."""

    def script(wire):
        wire.send(request)
        return wire.rest()

    return script


def test_http_1_0_is_answered_as_1_0_and_closed(ours):
    """A14: RFC 9112 2.6: a version that the client knows."""
    wire = ours(OK, everything(get(version="1.0")), only_http1="HTTP/1.0").wire
    assert wire.startswith(b"HTTP/1.0 200 OK\r\n") and b"connection: close" in wire


def test_http_1_0_keeps_the_connection_when_it_asks_to(ours):
    """A14: RFC 9112 C.2.2: keep-alive has to be asked for and confirmed."""

    def script(wire):
        request = get("/", "connection: keep-alive", version="1.0")
        wire.send(request)
        first = wire.response()
        wire.send(request)
        return first + wire.response()

    wire = ours(OK, script, only_http1="HTTP/1.0").wire
    assert wire.count(b"connection: keep-alive") == 2


def test_http_1_0_is_never_sent_chunks(ours):
    """A14: RFC 9112 6.1: the end of the connection ends the body."""
    request = everything(get(version="1.0"))
    wire = ours(answering(b"one", b"two"), request, only_http1="HTTP/1.0").wire
    assert wire.endswith(b"\r\n\r\nonetwo") and b"chunked" not in wire


REFUSED_ON_HTTP1 = {
    "content-length-and-chunked": get(
        "/", "content-length: 4", "transfer-encoding: chunked", method="POST"
    ),
    "two-lengths": get("/", "content-length: 4", "content-length: 5", method="POST"),
    "same-length-twice": get("/", "content-length: 4", "content-length: 4", method="POST"),
    "length-list": get("/", "content-length: 4, 4", method="POST"),
    "signed-length": get("/", "content-length: +4", method="POST"),
    "chunked-twice": get("/", "transfer-encoding: chunked, chunked", method="POST"),
    "bare-lf": b"GET / HTTP/1.1\nhost: a\n\n",
    "two-hosts": get("/", "host: other"),
    "no-host": b"GET / HTTP/1.1\r\n\r\n",
    "bad-host": b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n",
    "garbage": b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    "chunk-size": get("/", "transfer-encoding: chunked", method="POST") + b"x\r\n",
    "chunk-extension": get("/", "transfer-encoding: chunked", method="POST") + b"1;a=b\r\nx\r\n",
}
REFUSED_EVERYWHERE = {
    "space-before-colon": get("/", "x-a : b"),
    "folded": get("/", "x-a: b\r\n c"),
    "nul": get("/", "x-a: \0"),
    "bare-cr": get("/", "x-a: b\rc"),
}


@pytest.mark.parametrize("request_", REFUSED_ON_HTTP1.values(), ids=REFUSED_ON_HTTP1)
def test_what_two_parsers_could_read_in_two_ways_is_refused_and_closed(ours, request_):
    """A18, A19: RFC 9112 11.2: request smuggling lives on leniency."""
    reason = "its framing; what HTTP/2 has of it is a fault of the stream (RFC 9113 8.1.1)"
    wire = ours(lambda seen: _reading(seen), everything(request_), only_http1=reason).wire
    assert wire.startswith(b"HTTP/1.1 400 ") and wire.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("request_", REFUSED_EVERYWHERE.values(), ids=REFUSED_EVERYWHERE)
def test_what_is_no_field_is_refused_and_closed(ours, request_):
    """A18: RFC 9110 5.1, 5.5."""
    wire = ours(lambda seen: _reading(seen), everything(request_)).wire
    assert wire.startswith(b"HTTP/1.1 400 ") and wire.count(b"HTTP/1.1") == 1


def _reading(seen):
    async def app(scope, receive, send):
        await read_body(receive)

    return app


@pytest.mark.parametrize(
    ("request_", "status", "only_http1"),
    [
        (get("/", "transfer-encoding: gzip", method="POST"), 501, "transfer codings"),
        (get("/" + "a" * 40_000), 414, None),
        (get("/", "x-a: " + "b" * 70_000), 431, None),
        (get("/", *[f"x-{i}: a" for i in range(200)]), 431, None),
        (get("/", "expect: something", method="POST"), 417, None),
        (get(version="2.0"), 505, "a version in the request"),
    ],
    ids=["coding", "target", "head", "fields", "expectation", "version"],
)
def test_what_is_too_much_or_unknown_is_refused_with_its_own_status(
    ours, request_, status, only_http1
):
    """A22: RFC 9110 15: each has a status of its own; all are closed behind."""
    wire = ours(OK, everything(request_), only_http1=only_http1).wire
    assert wire.startswith(b"HTTP/1.1 %d " % status)


def test_any_token_is_a_method(ours):
    """A18: RFC 9110 9.1: the application decides which methods it knows."""
    made = answering(b"ok", headers=[(b"content-length", b"2")], note=lambda s: s["method"])
    assert ours(made, get(method="BREW")).seen == ["BREW"]


def test_white_space_around_values_is_no_part_of_them(ours):
    """A20: RFC 9110 5.5."""
    made = answering(
        b"ok", headers=[(b"content-length", b"2")], note=lambda s: dict(s["headers"])[b"x-a"]
    )
    assert ours(made, get("/", "x-a: \t b \t ")).seen == [b"b"]


def test_the_authority_of_an_absolute_target_replaces_host(ours):
    """B32: RFC 9112 3.2.2."""
    made = answering(
        b"ok",
        headers=[(b"content-length", b"2")],
        note=lambda s: (s["path"], dict(s["headers"])[b"host"]),
    )
    request = get("http://other.example/a")
    assert ours(made, request, only_http1="forms of a target").seen == [("/a", b"other.example")]


def test_urls_are_built_of_the_authority_of_an_absolute_target(ours):
    """B32: RFC 9112 3.2.2, in a FastAPI application: its URLs and its redirects."""

    def make(seen):
        app = FastAPI()

        @app.get("/a")
        async def endpoint(request: Request):
            seen.append((request.url.netloc, request.headers["host"], request.url.path))

        return app

    def script(wire):
        wire.send(get("http://other.example/a?b=c"))
        first = wire.response()
        wire.send(get("http://other.example:81/a/?b=c"))
        return first + wire.response().replace(b"https://", b"http://")

    outcome = ours(make, script, only_http1="forms of a target")
    assert outcome.seen == [("other.example", "other.example", "/a")]
    assert b"\r\nlocation: http://other.example:81/a?b=c\r\n" in outcome.wire


def test_an_expectation_that_was_never_answered_closes_the_connection(ours):
    """A15: the body may still come or not: what follows could be read in two ways."""
    request = get("/", "content-length: 4", "expect: 100-continue", method="POST")
    wire = ours(OK, everything(request)).wire
    assert wire.startswith(b"HTTP/1.1 200 OK\r\n") and b"connection: close" in wire


@pytest.mark.parametrize("status", [100, 101, 103, 199])
def test_an_informational_status_is_no_answer(ours, status):
    """RFC 9110 15.2: a client goes on waiting after it, so the connection is closed instead."""
    outcome = ours(answering(b"", status=status), everything(get()))
    assert outcome.wire == b""
    assert outcome.log == [("Exception in ASGI application", f"KeyError({status})")]


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_stream_that_fails_inside_of_middleware_is_cut_too(ours, count, kind):
    """A16, H103: Starlette's BaseHTTPMiddleware would end it as if it were complete."""

    def make(seen):
        app = FastAPI()

        @app.get("/")
        async def stream():
            async def asynchronous():
                yield "one"
                raise ValueError("cut")

            def sync():
                yield "one"
                raise ValueError("cut")

            return StreamingResponse(asynchronous() if kind == "async" else sync())

        for _ in range(count):

            @app.middleware("http")
            async def middleware(request, call_next):
                response = await call_next(request)
                response.headers["x-passed"] = "yes"
                return response

        return app

    outcome = ours(make, everything(get()))
    assert outcome.wire.endswith(b"\r\n\r\n3\r\none\r\n")
    assert b"\r\nx-passed: yes\r\n" in outcome.wire
    assert len(outcome.log) == 1 and "cut" in str(outcome.log[0][1])


def test_a_client_that_closes_its_own_half_is_still_answered(ours):
    """TCP lets it: `printf ... | nc` does so."""
    import socket

    def script(wire):
        wire.send(get())
        wire.socket.shutdown(socket.SHUT_WR)
        return wire.rest()

    reason = "half a connection: TLS has no half, and an HTTP/2 client says GOAWAY"
    outcome = ours(OK, script, only_http1=reason, only_plain=reason)
    assert outcome.wire.endswith(b"\r\n\r\nok")
