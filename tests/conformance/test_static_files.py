"""StaticFiles: what is a file, a directory, a link, out of reach, and what a client has already."""

import hashlib
import mimetypes
import os
import shutil

import pytest
from fastapi.staticfiles import StaticFiles

from .requests import get

TIME_NS = 1_700_000_000_123_456_789


def write(path, content):
    """Write a file whose time is always the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(TIME_NS, TIME_NS))


def make_tree(top):
    """Make a directory of files, and one beside it that must not be served."""
    shutil.rmtree(top, ignore_errors=True)
    root = top / "root"
    write(top / "outside" / "secret.txt", b"secret")
    for name, content in {
        "file.txt": b"0123456789" * 100,
        "empty": b"",
        "page.html": b"<p>page",
        "404.html": b"<p>not found",
        "archive.tar.gz": b"gz",
        "name with space é.css": b"a{}",
        "%41.js": b"js",
        "back\\slash.txt": b"backslash",
        "sub/index.html": b"<p>index",
        "sub/file.json": b"{}",
        "noindex/file": b"x",
        "16384.bin": bytes(16384),
        "16385.bin": bytes(16385),
        "large.bin": bytes(range(256)) * 1000,
    }.items():
        write(root / name, content)
    (root / "inner").symlink_to(root / "file.txt")
    (root / "outer").symlink_to(top / "outside" / "secret.txt")
    (root / "dangling").symlink_to(root / "none")
    (root / "linked").symlink_to(root / "sub")
    (root / "away").symlink_to(top / "outside")
    os.mkfifo(root / "pipe")
    return root


def serving(tmp_path, mount="/static", **options):
    def make(side):
        app = side.FastAPI()

        @app.get("/static/route")
        async def route():
            return "route"

        root = make_tree(tmp_path / "tree")
        app.mount(mount, StaticFiles(directory=root, **options))
        return app

    return make


PATHS = [
    "file.txt", "empty", "page.html", "archive.tar.gz", "16384.bin", "16385.bin", "large.bin",
    "name%20with%20space%20%C3%A9.css", "%2541.js", "%41.js", "back%5Cslash.txt", "sub/file.json",
    "sub", "sub/", "sub/index.html", "noindex", "noindex/", "inner", "outer", "dangling", "linked",
    "linked/file.json", "linked/", "away/secret.txt", "pipe", "none", "none/file", "file.txt/",
    "file.txt/more", "", "/file.txt", "//file.txt", "sub//file.json", "./file.txt",
    "sub/./file.json", "sub/../file.txt", "../outside/secret.txt", "%2e%2e/outside/secret.txt",
    "..%2foutside/secret.txt",
    "sub%2Ffile.json", "%00", "file.txt%00", "%FF", "x" * 300, "x/" * 600, "%5C..%5Cfile.txt",
]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{}, {"html": True}, {"follow_symlink": True}, {"html": True, "follow_symlink": True}],
    ids=str,
)
@pytest.mark.parametrize("mount", ["/static", "/a/b", ""], ids=repr)
def test_every_kind_of_path(conform, tmp_path, mount, options):
    """F87: links, directories, what is out of reach, and names of all kinds."""
    conform(
        serving(tmp_path, mount, **options),
        *[get(f"{mount}/{path}") for path in PATHS],
        get(mount or "/"),
        get(f"{mount}/file.txt?query"),
        *[get(f"{mount}/file.txt", method=each) for each in ("HEAD", "POST", "OPTIONS", "PUT")],
        get(f"{mount}/large.bin", method="HEAD"),
        get(f"{mount}/none", method="HEAD"),
    )


def tag_of(size):
    """F81: the entity tag that Starlette makes of a file's time and size."""
    text = f"{TIME_NS / 1e9}-{size}"
    return '"' + hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + '"'


def test_what_a_client_has_already(conform, tmp_path):
    """F84: tags in lists, weak ones, any; times; tags go before times."""
    tag = tag_of(1000)
    conditions = [
        f"if-none-match: {tag}",
        f"if-none-match: W/{tag}",
        f'if-none-match: "other", {tag}',
        'if-none-match: "other"',
        "if-none-match: *",
        "if-none-match:",
        "if-modified-since: Tue, 14 Nov 2023 22:13:20 GMT",
        "if-modified-since: Tue, 14 Nov 2023 22:13:19 GMT",
        "if-modified-since: Thu, 01 Jan 2099 00:00:00 GMT",
        "if-modified-since: no date",
    ]
    later = "if-modified-since: Thu, 01 Jan 2099 00:00:00 GMT"
    conform(
        serving(tmp_path),
        *[get("/static/file.txt", each) for each in conditions],
        *[get("/static/file.txt", each, method="HEAD") for each in conditions],
        get("/static/file.txt", 'if-none-match: "other"', later),
        get("/static/large.bin", f"if-none-match: {tag_of(256000)}"),
        get("/static/file.txt", f"if-none-match: {tag}", "range: bytes=0-1"),
        get("/static/none", "if-none-match: *"),
    )


RANGES = [
    "bytes=0-3", "bytes=-3", "bytes=5-", "bytes=999-", "bytes=1000-", "bytes=0-99999", "x",
    "bytes=3-1", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "BYTES = 0-3", "bytes=0-0",
]  # fmt: skip


def test_ranges(conform, tmp_path):
    """F82, F83: one range, unsatisfiable and malformed ones, and conditions on them."""
    tag = tag_of(1000)
    conform(
        serving(tmp_path),
        *[get("/static/file.txt", f"range: {each}") for each in RANGES],
        *[get("/static/file.txt", f"range: {each}", method="HEAD") for each in RANGES],
        *[
            get("/static/file.txt", "range: bytes=0-3", f"if-range: {each}")
            for each in (tag, f"W/{tag}", '"other"', "Tue, 14 Nov 2023 22:13:20 GMT")
        ],
        get("/static/large.bin", "range: bytes=1000-200000"),
        get("/static/empty", "range: bytes=0-1"),
    )


def test_files_that_change(conform, tmp_path):
    """What is sent is what is there, each time, whatever has been there before."""
    root = tmp_path / "tree" / "root"
    file = root / "file.txt"

    def rewrite(app):
        write(file, b"other")

    def touch(app):
        os.utime(file, ns=(TIME_NS, TIME_NS + 1_000_000_000))

    def remove(app):
        file.unlink()

    def link(app):
        file.symlink_to(tmp_path / "tree" / "outside" / "secret.txt")

    def replace_directory(app):
        shutil.rmtree(root / "sub")
        (root / "sub").symlink_to(tmp_path / "tree" / "outside")

    def retype(app):
        mimetypes.add_type("text/x-test", ".json")

    def retype_back(app):
        mimetypes.add_type("application/json", ".json")

    step = get("/static/file.txt")
    conform(
        serving(tmp_path),
        *[step, step, rewrite, step, step, touch, step, remove, step, link, step],
        *[get("/static/sub/file.json"), retype, get("/static/sub/file.json"), retype_back],
        *[get("/static/sub/file.json"), replace_directory, get("/static/sub/file.json")],
        get("/static/sub/secret.txt"),
    )


def test_a_directory_that_is_told_from_the_current_one(conform, tmp_path, monkeypatch):
    """A path without a root is looked up where the process is, at each request."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)

    def make(side):
        os.chdir(tmp_path)
        make_tree(tmp_path / "tree")
        app = side.FastAPI()
        app.mount("/static", StaticFiles(directory="tree/root"))
        return app

    def go_away(app):
        os.chdir(tmp_path / "other")

    step = get("/static/file.txt")
    conform(make, step, step, go_away, step)


class Own(StaticFiles):
    """Has a header of its own on each file."""

    def file_response(self, *args, **kwargs):
        response = super().file_response(*args, **kwargs)
        response.headers["x-own"] = "1"
        return response


def test_what_is_not_starlettes_own_or_changes(conform, tmp_path):
    """Subclasses, links to the directory, several directories, middleware, another directory."""

    def make(side):
        app = side.FastAPI()
        root = make_tree(tmp_path / "tree")
        (tmp_path / "tree" / "link").symlink_to(root)
        app.state.files = StaticFiles(directory=root)
        app.mount("/own", Own(directory=root))
        app.mount("/link", StaticFiles(directory=tmp_path / "tree" / "link"))
        app.mount("/changed", app.state.files)
        app.mount("/{name}/x", StaticFiles(directory=root))
        app.mount("/package", StaticFiles(packages=[("fastapi", "openapi")]))
        return app

    def change(app):
        app.state.files.all_directories[0] = tmp_path / "tree" / "root" / "sub"

    def change_again(app):
        app.state.files.lookup_path = lambda path: ("", None)

    conform(
        make,
        *[get(f"/{name}/file.txt") for name in ("own", "link", "changed", "any/x")],
        get("/package/docs.py"),
        change,
        get("/changed/file.json"),
        get("/changed/file.txt"),
        change_again,
        get("/changed/file.json"),
    )
