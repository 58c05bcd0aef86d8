"""`hyperfastapi check`: requests, comparison, report, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyperfastapi import _cli
from hyperfastapi._check import command
from hyperfastapi._check.examples import Example, ExamplesError, from_openapi, from_text

APP = """
import itertools, os
from contextlib import asynccontextmanager
from typing import Annotated
from fastapi import FastAPI, Header
from pydantic import BaseModel, Field

class Item(BaseModel):
    name: str = Field(min_length=3)
    price: float = Field(gt=1, examples=[2.5])
    tags: list[str] = []

@asynccontextmanager
async def lifespan(app):
    print("noise on standard output")
    yield {"counter": itertools.count()}

app = FastAPI(lifespan=lifespan)

@app.get("/items/{item_id}")
async def read(item_id: int, q: str | None = None, x_key: Annotated[str, Header()] = "none"):
    return [item_id, q, x_key]

@app.post("/items", status_code=201)
def create(item: Item) -> Item:
    return item

@app.get("/varying")
async def varying():
    return os.urandom(8).hex()

@app.get("/failing")
async def failing():
    raise KeyError("on purpose")
"""

FORM = """
from typing import Annotated
from fastapi import FastAPI, Form, UploadFile
app = FastAPI()

@app.post("/files")
async def files(f: UploadFile, note: Annotated[str, Form()]):
    return [f.filename, f.size, note]
"""

DIFFERING = """
from fastapi import FastAPI
from hyperfastapi import _compiled
app = FastAPI()

@app.get("/")
async def endpoint():
    return "compiled" if _compiled._Switch.is_on else "FastAPI"
"""


def checked(tmp_path: Path, source: str, *arguments: str) -> int:
    name = f"checked_{abs(hash((source, arguments)))}"
    (tmp_path / f"{name}.py").write_text(source)
    return _cli.main(["check", f"{name}:app", "--app-dir", str(tmp_path), *arguments])


def test_an_application_that_is_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = tmp_path / "examples.json"
    examples.write_text(
        json.dumps(
            [
                {"path": "/items/7?q=caf\u00e9", "headers": {"x-key": "k"}},
                {"path": "/items", "method": "post", "json": {"name": "abc", "price": 3}},
                {"path": "/missing"},
            ]
        )
    )
    assert checked(tmp_path, APP, "--examples", str(examples)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "same     GET /items/7?q=caf%C3%A9 -> 200  compiled" in lines
    assert "same     POST /items -> 201  compiled" in lines
    assert "same     GET /missing -> 404  compiled" in lines
    assert "varies   GET /varying -> 200  compiled (its body varies by itself)" in lines
    assert "same     GET /failing -> 500  compiled" in lines
    assert "0 differ" in lines[-1]


def test_a_form_that_is_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, FORM) == 0
    assert "same     POST /files -> 200  compiled" in capsys.readouterr().out.splitlines()


def test_an_application_that_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, DIFFERING) == 1
    report = capsys.readouterr().out
    assert "DIFFERS  GET / -> 200  compiled\n" in report
    assert '      FastAPI   "FastAPI"\n      compiled  "compiled"\n' in report
    assert report.endswith("1 requests: 0 alike, 0 vary by themselves, 1 differ; 1 compiled.\n")


def test_answers_that_do_not_end_are_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
import asyncio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
app = FastAPI()
async def endless():
    while True:
        yield b"x"
        await asyncio.sleep(0.05)
@app.get("/")
async def endpoint():
    return StreamingResponse(endless())
"""
    assert checked(tmp_path, source, "--timeout", "0.5") == 0
    assert "(cut after 0.5 s)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "arguments", "said"),
    [
        ("app = None", (), "can't be called"),
        ("async def app(scope, receive, send): ...", (), "it is no FastAPI application"),
        (APP, ("--base-url", "example.org"), "--base-url has to begin with"),
        (APP, ("--examples", "/nowhere.json"), "--examples /nowhere.json"),
    ],
)
def test_what_cannot_be_checked(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    assert checked(tmp_path, source, *arguments) == 2
    assert said in capsys.readouterr().err


def test_an_application_that_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
@asynccontextmanager
async def lifespan(app):
    raise OSError("no database")
    yield
app = FastAPI(lifespan=lifespan)
"""
    assert checked(tmp_path, source) == 2
    assert "the application has not started" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("{}", "a list"),
        ("[1]", "request 0 has to be an object with a path"),
        ('[{"path": "/", "x": 1}]', "unknown key 'x'"),
        ('[{"path": "a"}]', "begin with /"),
        ('[{"path": "/", "json": 1, "form": {}}]', "both json and form"),
        ('[{"path": "/", "headers": {"a": 1}}]', "an object of texts"),
    ],
)
def test_examples_that_cannot_be_used(text: str, said: str) -> None:
    with pytest.raises(ExamplesError, match=said):
        from_text(text)


def test_examples_of_a_file() -> None:
    text = '[{"path": "/a b?x=1", "form": {"a": ["1", "2"]}}, {"path": "/", "body": "\\u00e9"}]'
    form = [["content-type", "application/x-www-form-urlencoded"]]
    assert from_text(text) == [
        Example("GET", "/a%20b?x=1", form, "a=1&a=2"),
        Example("GET", "/", [], "\xc3\xa9"),
    ]


def test_requests_of_a_document_fit_and_break_its_operations() -> None:
    parameter = {"name": "n", "in": "query", "required": True, "schema": {"type": "integer"}}
    document = {
        "paths": {
            "/a/{p}": {
                "get": {
                    "parameters": [
                        parameter,
                        {"name": "p", "in": "path", "required": True, "example": "x/y"},
                    ]
                }
            }
        }
    }
    targets = [each.target for each in from_openapi(document)]
    assert targets[0] == "/a/x%2Fy?n=1"
    assert "/a/x%2Fy" in targets
    assert any("n=not+valid" in target for target in targets)


def test_what_differs_is_named() -> None:
    one = {"status": 200, "headers": [["a", "b"]], "body": "x", "error": None}
    assert command.differing(one, {**one, "status": 201, "body": "y"}) == ("status", "body")
    assert command.differing(one, dict(one)) == ()
