"""Files of FastAPI applications: StaticFiles, ranges, conditions and names, as raw bytes."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import fastapi
import pytest
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from .applications import get, post

#: With a fraction: an ETag is made of the time as Python writes the number.
WRITTEN = 1_700_000_000.5
CONTENT = bytes(range(256)) * 40


def etag(path: Path) -> str:
    """The ETag that Starlette gives a file."""
    found = path.stat()
    made_of = f"{found.st_mtime}-{found.st_size}"
    return f'"{hashlib.md5(made_of.encode(), usedforsecurity=False).hexdigest()}"'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Files of all kinds, and what lies beside them."""
    directory = tmp_path / "files"
    files = {
        "text.txt": b"text", "page.html": b"<p>page", "data": CONTENT, "empty.css": b"",
        "a b.txt": b"space", "ä.txt": b"umlaut", "dir/index.html": b"<p>dir", "dir/in.js": b"1",
        "404.html": b"<p>none", "bare/x.json": b"{}", "image.png": b"\x89PNG", "a.tar.gz": b"gz",
    }  # fmt: skip
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (WRITTEN, WRITTEN))
    (tmp_path / "secret.txt").write_text("secret")
    (directory / "out.txt").symlink_to(tmp_path / "secret.txt")
    (directory / "in.txt").symlink_to(directory / "text.txt")
    (directory / "linked").symlink_to(directory / "dir")
    return directory


def asking(*requests: bytes):
    """A script that sends requests one after the other and reads a response to each."""

    def script(wire):
        received = b""
        for request in requests:
            wire.send(request)
            received += wire.response(to_head=request.startswith(b"HEAD "))
        # The scheme of a redirect is the connection's, and so not the same on each.
        return received.replace(b"location: https:", b"location: http:")

    return script


def serving(directory: Path, **options):
    """An application with the directory below /static."""

    def make(seen):
        app = fastapi.FastAPI()
        app.mount("/static", StaticFiles(directory=directory, **options))
        return app

    return make


PATHS = [
    "/text.txt", "/page.html", "/data", "/empty.css", "/a%20b.txt", "/%C3%A4.txt", "/image.png",
    "/a.tar.gz", "/text.txt?a=b", "/dir/in.js", "/dir", "/dir/", "/dir/index.html", "/bare",
    "/bare/", "/none", "/none/", "/dir/none", "", "/", "/in.txt", "/linked/in.js", "/linked",
    "/text.txt/",
]  # fmt: skip
ESCAPES = [
    "/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/dir/../text.txt", "/./text.txt",
    "//text.txt", "/%2Ftext.txt", "/%2Fetc/passwd", "//etc/passwd", "/dir//in.js", "/a%00b", "/%00",
    "/" + "x" * 300, "/" + "x/" * 3000, "/out.txt", "/%5C..%5Csecret.txt", "/text.txt%00.png",
    "/dir/%2e%2e/%2e%2e/secret.txt", "/...", "/..", "/%ff.txt", "/text.txt%2F..",
]  # fmt: skip


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("paths", [PATHS, ESCAPES], ids=["paths", "escapes"])
def test_a_directory_is_served_and_nothing_beside_it(parity, directory, html, paths):
    """F87: dots, NULs, names too long and links that lead out of it are a 404."""
    requests = [get(f"/static{path}") for path in paths]
    outcome = parity(serving(directory, html=html), asking(*requests))
    assert b"secret" not in outcome.wire.replace(b"secret.txt", b"")


def test_links_that_lead_elsewhere_are_followed_when_asked_for(parity, directory):
    """F87."""
    requests = [get(f"/static{path}") for path in ("/out.txt", "/in.txt", "/../secret.txt")]
    outcome = parity(serving(directory, follow_symlink=True), asking(*requests))
    assert outcome.wire.count(b"\r\n\r\nsecret") == 1


def test_a_directory_takes_get_and_head_alone(parity, directory):
    """F87: anything else is a 405 that says so; the answer to HEAD has a length and no body."""
    methods = ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
    targets = ["/static/text.txt", "/static/none", "/static/dir"]
    requests = [get(target, method=method) for target in targets for method in methods]
    outcome = parity(serving(directory, html=True), asking(*requests))
    assert outcome.wire.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: 4\r\n" in outcome.wire and b"\r\n\r\ntext" not in outcome.wire
    assert outcome.wire.count(b"allow: GET, HEAD\r\n") == 15


def test_what_the_system_refuses_is_a_401(parity, directory, monkeypatch):
    """F87: as a directory that the server may not read."""

    def refuse(self, path):
        raise PermissionError(path)

    monkeypatch.setattr(StaticFiles, "lookup_path", refuse)
    outcome = parity(serving(directory), get("/static/text.txt"))
    assert outcome.wire.startswith(b"HTTP/1.1 401 Unauthorized\r\n")


def test_a_directory_that_is_gone_is_an_error(parity, directory):
    make = serving(directory / "gone", check_dir=False)
    outcome = parity(make, asking(get("/static/text.txt")))
    assert outcome.wire.startswith(b"HTTP/1.1 500 ")


def test_files_that_change_while_they_are_served_are_read_again(parity, directory):
    """Nothing of a file is remembered: not its length, its ETag or that it was there."""
    path = directory / "changing.txt"

    def script(wire):
        path.unlink(missing_ok=True)
        received = asking(get("/static/changing.txt"))(wire)
        for content in (b"first", b"second one"):
            path.write_bytes(content)
            os.utime(path, (WRITTEN, WRITTEN))
            received += asking(get("/static/changing.txt"))(wire)
        path.unlink()
        return received + asking(get("/static/changing.txt"))(wire)

    outcome = parity(serving(directory), script)
    assert outcome.wire.count(b"HTTP/1.1 404 ") == 2


LAST_MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
CONDITIONS = [
    ["if-none-match: ETAG"], ["if-none-match: W/ETAG"], ["if-none-match: *"],
    ['if-none-match: "other", ETAG'], ['if-none-match: "other" , W/ETAG , "x"'],
    ['if-none-match: "other"'], ["if-none-match: etag"], ["if-none-match:"],
    [f"if-modified-since: {LAST_MODIFIED}"], ["if-modified-since: Tue, 14 Nov 2023 22:13:19 GMT"],
    ["if-modified-since: Wed, 15 Nov 2023 00:00:00 GMT"], ["if-modified-since: yesterday"],
    ["if-modified-since:"], ["if-modified-since: Tuesday, 14-Nov-23 22:13:20 GMT"],
    ["if-modified-since: Tue Nov 14 22:13:20 2023"],
    ['if-none-match: "other"', f"if-modified-since: {LAST_MODIFIED}"],
    ["if-none-match: ETAG", "if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT"],
    ["if-match: ETAG"], ['if-match: "other"'], ["if-unmodified-since: x"],
    ["if-none-match: ETAG", "range: bytes=0-1"], ["if-modified-since: x", "range: bytes=0-1"],
]  # fmt: skip


def test_what_the_client_has_is_not_sent_again(parity, directory):
    """F84: If-None-Match goes before If-Modified-Since; a 304 keeps what RFC 9110 15.4.5 names."""
    tag = etag(directory / "text.txt")
    requests = [
        get("/static/text.txt", *[line.replace("ETAG", tag) for line in lines], method=method)
        for lines in CONDITIONS
        for method in ("GET", "HEAD")
    ]
    outcome = parity(serving(directory), asking(*requests))
    first = outcome.wire.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert first == [b"HTTP/1.1 304 Not Modified", b"date: *", b"server: *",
                     b"etag: " + tag.encode()]  # fmt: skip


def of_files(directory: Path):
    """An application whose endpoints answer with files."""

    def make(seen):
        app = fastapi.FastAPI()

        @app.api_route("/data", methods=["GET", "HEAD", "POST"])
        async def data():
            return FileResponse(directory / "data", media_type="application/x-data")

        @app.get("/status")
        async def status():
            return FileResponse(directory / "data", status_code=201)

        @app.get("/named")
        def named(name: str | None = None, kind: str = "attachment"):
            return FileResponse(
                directory / "text.txt", filename=name, content_disposition_type=kind
            )

        @app.get("/own")
        async def own():
            headers = {"ETag": '"own"', "Content-Disposition": "inline", "Last-Modified": "never"}
            return FileResponse(directory / "text.txt", headers=headers, filename="x.txt")

        @app.get("/stated")
        async def stated():
            path = directory / "text.txt"
            return FileResponse(str(path), stat_result=os.stat(path))

        app.mount("/static", StaticFiles(directory=directory))
        return app

    return make


def test_the_fields_of_a_file_and_their_order(parity, directory):
    """F81."""
    outcome = parity(of_files(directory), asking(get("/named?name=a.txt")))
    head = outcome.wire.partition(b"\r\n\r\n")[0]
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK", b"date: *", b"server: *", b"content-type: text/plain; charset=utf-8",
        b"accept-ranges: bytes", b'content-disposition: attachment; filename="a.txt"',
        b"content-length: 4", b"last-modified: " + LAST_MODIFIED.encode(),
        b"etag: " + etag(directory / "text.txt").encode(),
    ]  # fmt: skip


def test_names_of_files(parity, directory):
    """F85: RFC 6266: what is beyond ASCII, or would have to be quoted, is percent-encoded."""
    names = [
        "a.txt",
        "a%20b.txt",
        "%C3%A4.txt",
        "a%22b.txt",
        "a%5Cb.txt",
        "a%0D%0Ab.txt",
        "",
        "x.png",
    ]
    requests = [
        get(f"/named?name={name}&kind={kind}")
        for name in names
        for kind in ("attachment", "inline")
    ]
    outcome = parity(
        of_files(directory), asking(*requests, get("/named"), get("/own"), get("/stated"))
    )
    assert b"content-disposition: attachment; filename*=utf-8''%C3%A4.txt\r\n" in outcome.wire


SIZE = len(CONTENT)
RANGES = [
    "bytes=0-3", "bytes=-3", "bytes=5-", "bytes=0-0", f"bytes={SIZE - 1}-", f"bytes={SIZE}-",
    f"bytes=0-{SIZE}", f"bytes=-{SIZE}", f"bytes=-{SIZE + 1}", "bytes=-0", "bytes=3-1", "bytes=",
    "bytes=-", "bytes=x-y", "bytes=1-x", "bytes", "x", "lines=1-2", "BYTES=0-1", " bytes = 0 - 1 ",
    "bytes=0-1,", ",", "bytes=,0-1", "bytes=0-3,2-9", "bytes=2-9,0-3", "bytes=0-1,2-3", "bytes=0-",
    "", "bytes=9-9999999", "bytes=99999999-", "bytes=0x1-2", "bytes=1_0-2_0", "bytes=+1-2",
    "bytes=1--2", "bytes=0-1,99999999-",
]  # fmt: skip
SEVERAL = [
    "bytes=0-1,4-5", "bytes=4-5,0-1", "bytes=0-1, -2", "bytes=0-0,2-2,4-4", "bytes=0-4,10-20,15-30",
    "bytes=0-1,x,9-", f"bytes=0-1,{SIZE - 1}-",
    "bytes=" + ",".join(f"{i * 9}-{i * 9}" for i in range(100)),
    "bytes=" + ",".join(f"{i * 9}-{i * 9}" for i in range(101)),
]  # fmt: skip
_BOUNDARY = re.compile(rb"boundary=([0-9a-f]{26})\r\n")


def without_boundaries(wire: bytes) -> bytes:
    """Replace boundaries, which are random, by as many letters."""
    for boundary in set(_BOUNDARY.findall(wire)):
        wire = wire.replace(boundary, b"B" * 26)
    return wire


@pytest.mark.parametrize("path", ["/data", "/static/data"])
def test_a_part_of_a_file(parity, directory, path):
    """F82: one range is a 206 with `content-range` last; one beyond the end a 416."""
    requests = [
        get(path, f"range: {value}", method=method)
        for value in RANGES
        for method in ("GET", "HEAD")
    ]
    outcome = parity(of_files(directory), asking(*requests))
    first = outcome.wire.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert first[0] == b"HTTP/1.1 206 Partial Content"
    assert first[-1] == b"content-range: bytes 0-3/%d" % SIZE
    assert b"content-range: bytes */%d\r\n" % SIZE in outcome.wire


@pytest.mark.parametrize("path", ["/data", "/static/data"])
def test_several_parts_of_a_file(parity, directory, path):
    """F82: RFC 9110 14.6: sorted and merged, between boundaries; over 100 are the whole file."""
    requests = [
        get(path, f"range: {value}", method=method)
        for value in SEVERAL
        for method in ("GET", "HEAD")
    ]

    def script(wire):
        return without_boundaries(asking(*requests)(wire))

    outcome = parity(of_files(directory), script)
    head = outcome.wire.partition(b"\r\n\r\n")[0]
    assert b"content-type: multipart/byteranges; boundary=" + b"B" * 26 in head
    assert outcome.wire.count(b"HTTP/1.1 200 OK") == 2


def test_middleware_that_reads_a_response_finds_the_bytes_of_a_file(parity, directory):
    """F86: in `body_iterator` and in the messages: nothing else stands for them."""

    class Measuring:
        def __init__(self, app, seen):
            self.app, self.seen = app, seen

        async def __call__(self, scope, receive, send):
            async def measured(message):
                if message["type"] == "http.response.body":
                    self.seen.append(len(message["body"]))
                await send(message)

            await self.app(scope, receive, measured)

    def make(seen):
        app = of_files(directory)(seen)

        @app.middleware("http")
        async def upper(request, call_next):
            response = await call_next(request)
            body = b"".join([piece async for piece in response.body_iterator])
            return fastapi.Response(body.upper(), response.status_code)

        app.add_middleware(Measuring, seen=seen)
        return app

    outcome = parity(make, asking(get("/named"), get("/static/page.html"), get("/stated")))
    assert outcome.wire.endswith(b"\r\n\r\nTEXT") and outcome.seen == [4, 7, 4]


def test_ranges_are_ignored_where_they_make_no_sense(parity, directory):
    """F83: another status than 200, another method than GET and HEAD, If-Range of another state."""
    tag = etag(directory / "data")
    conditions = [
        tag,
        f"W/{tag}",
        '"other"',
        LAST_MODIFIED,
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "x",
        "",
    ]
    requests = [
        get("/status", "range: bytes=0-3"),
        post(b"", "range: bytes=0-3", path="/data"),
        *[get("/data", "range: bytes=0-3", f"if-range: {each}") for each in conditions],
        get("/static/data", "range: bytes=0-3", f"if-range: {tag}"),
    ]
    outcome = parity(of_files(directory), asking(*requests))
    # Older releases of Starlette answer a range of any method.
    assert outcome.wire.count(b"HTTP/1.1 206 ") in (3, 4)
