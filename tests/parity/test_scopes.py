"""What the application is told of a request, and the events that it receives."""

import asyncio
import threading

import pytest

from .applications import answering, get, read_body

LENGTH_2 = [(b"content-length", b"2")]


def scope_without_ports(scope):
    """The scope, comparable: ports differ, and our server offers one extension more."""
    shown = {key: value for key, value in scope.items() if key not in ("extensions", "state")}
    for key in ("client", "server"):
        shown[key] = shown[key] and (shown[key][0], type(shown[key][1]).__name__)
    shown["headers"] = list(shown["headers"])
    return list(shown.items())


@pytest.mark.parametrize(
    "path",
    [
        "/", "/plain", "/a?b=c", "/a%20b", "/%C3%A9", "/%FF", "/%2F", "/a//b", "/./../x", "/?",
        "/a?x=%20&y=+;z", "/%", "/%4", "/%zz", "/a%00b", "/é".encode().decode("latin-1")[:1],
        "/a#fragment", "/a?b#c", "//x", "/%E2%82", "/~user/!$&'()*+,;=:@",
    ],
)  # fmt: skip
def test_path_raw_path_and_query_string(parity, path):
    parity(answering(b"ok", headers=LENGTH_2, note=scope_without_ports), get(path))


def test_header_names_are_lower_case_in_order_with_duplicates(parity):
    request = get("/", "X-B: 1", "x-a: 2", "X-b: 3", "Accept: */*", "x-latin: \xe9")
    parity(answering(b"ok", headers=LENGTH_2, note=scope_without_ports), request)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_methods(parity, method):
    parity(answering(b"ok", headers=LENGTH_2, note=scope_without_ports), get(method=method))


@pytest.mark.parametrize("path", ["/items", "/api/items", "/"])
def test_root_path_is_put_before_path_and_raw_path(parity, path):
    parity(
        answering(b"ok", headers=LENGTH_2, note=scope_without_ports), get(path), root_path="/api"
    )


def test_the_disconnect_event_comes_after_the_response(parity):
    """I115."""

    def make(seen):
        async def app(scope, receive, send):
            seen.append(await receive())
            await send({"type": "http.response.start", "status": 200, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})
            seen.append(await receive())

        return app

    assert parity(make, get()).seen[1] == {"type": "http.disconnect"}


def test_the_whole_small_body_comes_in_one_event(parity):
    def make(seen):
        async def app(scope, receive, send):
            seen.append(await receive())
            await send({"type": "http.response.start", "status": 200, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})

        return app

    request = get("/", "content-length: 3", method="POST") + b"abc"
    assert parity(make, request).seen == [
        {"type": "http.request", "body": b"abc", "more_body": False}
    ]


def test_a_client_that_leaves_is_seen_by_who_waits_and_sends_are_dropped(parity):
    """I111."""
    entered = threading.Event()

    def make(seen):
        async def app(scope, receive, send):
            if scope["path"] == "/seen":
                while len(seen) < 2:
                    await asyncio.sleep(0.001)
                await send({"type": "http.response.start", "status": 200, "headers": LENGTH_2})
                await send({"type": "http.response.body", "body": b"ok"})
                return
            await read_body(receive)
            entered.set()
            seen.append((await receive())["type"])
            await send({"type": "http.response.start", "status": 200, "headers": []})
            seen.append("sent without an error")

        return app

    def script(wire):
        wire.send(get("/leave"))
        assert entered.wait(5)
        entered.clear()
        wire.socket.close()
        wire.reconnect()
        wire.send(get("/seen"))
        return wire.response()

    assert parity(make, script).seen == ["http.disconnect", "sent without an error"]


def test_state_of_the_lifespan_is_copied_for_each_request(parity):
    """H104."""

    def make(seen):
        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                scope["state"].update(number=1, shared=[])
                await send({"type": "lifespan.startup.complete"})
                await receive()
                await send({"type": "lifespan.shutdown.complete"})
                return
            state = scope["state"]
            state["number"] += 1
            state["shared"].append(1)
            seen.append((state["number"], len(state["shared"])))
            await send({"type": "http.response.start", "status": 200, "headers": LENGTH_2})
            await send({"type": "http.response.body", "body": b"ok"})

        return app

    def script(wire):
        wire.send(get() + get())
        return wire.response() + wire.response()

    assert parity(make, script, lifespan="on").seen == [(2, 1), (2, 2)]
