"""Status lines, header fields and the framing of responses."""

import asyncio

import pytest

from .applications import answering, get, post, read_body, sending

LENGTH_2 = [(b"content-length", b"2")]


def test_headers_follow_date_and_server_in_the_applications_order_and_lower_case(parity):
    """A1."""
    headers = [(b"X-Up", b"Value"), (b"content-length", b"2"), (b"Content-Type", b"text/plain")]
    outcome = parity(answering(b"ok", headers=headers), get())
    assert b"\r\nx-up: Value\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n" in outcome.wire


def test_repeated_headers_are_neither_merged_nor_dropped(parity):
    """A3."""
    headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), *LENGTH_2]
    assert parity(answering(b"ok", headers=headers), get()).wire.count(b"set-cookie") == 2


def test_date_and_server_of_the_application_stand_beside_the_servers_own(parity):
    """A7."""
    headers = [(b"date", b"never"), (b"server", b"mine"), *LENGTH_2]
    assert parity(answering(b"ok", headers=headers), get()).wire.count(b"date: *") == 2


@pytest.mark.parametrize("status", [200, 201, 299, 404, 413, 416, 418, 422, 499, 500, 599])
def test_the_reason_phrase_is_pythons_and_unknown_codes_have_none(parity, status):
    """A8."""
    parity(answering(b"ok", status=status, headers=LENGTH_2), get())


@pytest.mark.parametrize("status", [204, 304])
def test_no_content_has_neither_body_nor_framing(parity, status):
    """A6."""
    headers = [(b"content-type", b"application/json")]
    outcome = parity(answering(b"", status=status, headers=headers), get())
    assert b"content-type" in outcome.wire and b"transfer-encoding" not in outcome.wire


def test_without_a_length_each_message_is_a_chunk_and_empty_ones_are_none(parity):
    """A10."""
    outcome = parity(answering(b"one", b"", b"three", b""), get())
    assert outcome.wire.endswith(b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")


def test_one_message_without_a_length_is_chunked_too(parity):
    """A10."""
    assert parity(answering(b"one"), get()).wire.endswith(b"\r\n\r\n3\r\none\r\n0\r\n\r\n")


def test_head_gets_the_headers_of_get_and_no_body(parity):
    """A13."""
    outcome = parity(answering(b"ok", headers=LENGTH_2), get(method="HEAD"))
    assert b"content-length: 2" in outcome.wire and outcome.wire.endswith(b"\r\n\r\n")


def test_large_bodies_arrive_whole(parity):
    body = bytes(range(256)) * 4096
    headers = [(b"content-length", str(len(body)).encode())]
    assert parity(answering(body, headers=headers), get()).wire.endswith(body)


def test_connection_close_of_the_application_closes(parity):
    def script(wire):
        wire.send(get())
        return wire.rest()

    parity(answering(b"ok", headers=[*LENGTH_2, (b"connection", b"close")]), script)


def test_connection_close_of_the_client_is_answered_and_obeyed(parity):
    def script(wire):
        wire.send(get("/", "connection: close"))
        return wire.rest()

    assert b"connection: close" in parity(answering(b"ok", headers=LENGTH_2), script).wire


START = {"type": "http.response.start", "status": 200, "headers": []}


@pytest.mark.parametrize(
    "messages",
    [
        [{**START, "headers": LENGTH_2}, {"type": "http.response.body", "body": b"too long"}],
        [{**START, "headers": [(b"content-length", b"9")]}, {"type": "http.response.body"}],
        [
            {**START, "headers": [(b"content-length", b"9")]},
            {"type": "http.response.body", "body": b"short"},
        ],
        [{**START, "headers": [(b"x-bad", b"a\r\nb: c")]}],
        [{**START, "headers": [(b"x-bad", b"a\x00b")]}],
        [{**START, "headers": [(b"x bad", b"a")]}],
        [{"type": "http.response.body", "body": b"before start"}],
        [START, START],
        [START, {"type": "http.response.body"}, {"type": "http.response.body"}],
        [START, {"type": "http.response.body", "body": b"x", "more_body": True}],
        [START],
        [],
    ],
    ids=[
        "longer",
        "empty-for-length",
        "shorter",
        "crlf",
        "nul",
        "name",
        "body-first",
        "start-twice",
        "after-end",
        "not-ended",
        "only-start",
        "nothing",
    ],
)
def test_misuse_is_raised_logged_and_never_ends_a_message_cleanly(parity, messages):
    """A11, A12."""

    def script(wire):
        wire.send(get())
        return wire.rest()

    parity(sending(*messages), script)


def test_latin_1_passes_in_header_values(parity):
    """A12."""
    headers = [(b"x-name", "Müller".encode("latin-1")), *LENGTH_2]
    parity(answering(b"ok", headers=headers), get())


def test_an_exception_before_the_start_is_a_500_that_closes(parity):
    """A17."""

    def make(seen):
        async def app(scope, receive, send):
            raise ValueError("no")

        return app

    def script(wire):
        wire.send(get())
        return wire.rest()

    outcome = parity(make, script)
    assert outcome.wire.endswith(b"connection: close\r\n\r\nInternal Server Error")
    assert outcome.log == [("Exception in ASGI application", "ValueError('no')")]


def test_an_exception_in_a_stream_cuts_it_without_a_last_chunk(parity):
    """A16."""

    def make(seen):
        async def app(scope, receive, send):
            await send(START)
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            raise ValueError("no")

        return app

    def script(wire):
        wire.send(get())
        return wire.rest()

    assert parity(make, script).wire.endswith(b"3\r\none\r\n")


def test_an_application_that_returns_something_is_logged_and_the_connection_closed(parity):
    def make(seen):
        async def app(scope, receive, send):
            await send({**START, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})
            return "something"

        return app

    def script(wire):
        wire.send(get())
        return wire.rest()

    parity(make, script)


def test_a_failing_background_task_closes_behind_a_full_response(parity):
    """G92."""

    def make(seen):
        async def app(scope, receive, send):
            await send({**START, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})
            await asyncio.sleep(0)
            raise ValueError("in the background")

        return app

    def script(wire):
        wire.send(get())
        return wire.rest()

    assert parity(make, script).wire.endswith(b"\r\n\r\nok")


def test_work_after_the_response_does_not_hold_up_the_next_request(parity):
    """A21."""

    def make(seen):
        released = asyncio.Event()

        async def app(scope, receive, send):
            await send({**START, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})
            if scope["path"] == "/first":
                await released.wait()
                seen.append("background done")
            else:
                released.set()

        return app

    def script(wire):
        wire.send(get("/first"))
        first = wire.response()
        wire.send(get("/second"))
        return first + wire.response()

    assert parity(make, script).seen == ["background done"]


def test_pipelined_requests_are_answered_in_order_one_after_another(parity):
    """A21."""

    def make(seen):
        async def app(scope, receive, send):
            seen.append(("begin", scope["path"]))
            await asyncio.sleep(0.01 if scope["path"] == "/1" else 0)
            body = scope["path"].encode()
            await send({**START, "headers": LENGTH_2})
            seen.append(("end", scope["path"]))
            await send({"type": "http.response.body", "body": body})

        return app

    def script(wire):
        wire.send(get("/1") + get("/2") + get("/3"))
        return wire.response() + wire.response() + wire.response()

    parity(make, script)


def test_continue_is_sent_when_the_application_first_reads(parity):
    """A15."""

    def make(seen):
        async def app(scope, receive, send):
            seen.append(await read_body(receive))
            await send({**START, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})

        return app

    def script(wire):
        wire.send(get("/", "content-length: 4", "expect: 100-continue", method="POST"))
        interim = wire.head()
        wire.send(b"body")
        return interim + wire.response()

    outcome = parity(make, script)
    assert outcome.wire.startswith(b"HTTP/1.1 100 Continue\r\n\r\n") and outcome.seen == [b"body"]


def test_a_body_that_nobody_reads_leaves_the_connection_usable(parity):
    """D68."""

    def script(wire):
        wire.send(post(b"x" * 100_000))
        first = wire.response()
        assert wire.is_open()
        return first

    parity(answering(b"ok", headers=LENGTH_2), script)


@pytest.mark.parametrize("chunks", [b"4\r\nbody\r\n0\r\n\r\n", b"1\r\nb\r\n3\r\nody\r\n0\r\n\r\n"])
def test_chunked_request_bodies_are_decoded(parity, chunks):
    def make(seen):
        async def app(scope, receive, send):
            seen.append(await read_body(receive))
            await send({**START, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})

        return app

    request = get("/", "transfer-encoding: chunked", method="POST") + chunks
    assert parity(make, request).seen == [b"body"]


@pytest.mark.parametrize(("limit", "status"), [(1, b"503"), (2, b"200")])
def test_limit_concurrency_counts_the_connection_that_asks(parity, limit, status):
    outcome = parity(answering(b"ok", headers=LENGTH_2), get(), limit_concurrency=limit)
    assert outcome.wire.startswith(b"HTTP/1.1 %s " % status)
