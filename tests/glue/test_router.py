"""`_core.Router` selects what the scan over Starlette's own routes selects."""

from __future__ import annotations

import re
import sys
import uuid
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.convertors import CONVERTOR_TYPES, Convertor, IntegerConvertor
from starlette.routing import BaseRoute, Host, Match, Mount, Route

from hyperfastapi._core import Router
from hyperfastapi._route_paths import (
    OpaquePath,
    Parameter,
    mount_spec,
    parse_path,
    path_regex,
    route_spec,
)

Selected = tuple[str, int | None, tuple[str, ...]]


def endpoint() -> None:
    """What every route here leads to."""


def route(path: str, methods: list[str] | None = None) -> Route:
    """A route for some methods, or with None for any."""
    made = Route(path, endpoint, methods=methods or [])
    made.methods = set(methods) if methods else None
    return made


def router(*routes: BaseRoute) -> Router:
    """Our router of these routes; what only they themselves can match is opaque."""
    specs: list[Any] = []
    for one in routes:
        try:
            if isinstance(one, Mount):
                specs.append(mount_spec(one))
            elif isinstance(one, Route):
                specs.append(route_spec(one))
            else:
                specs.append(("opaque",))
        except OpaquePath:
            specs.append(("opaque",))
    return Router(specs)


def scan(routes: list[Route | Mount], method: str, path: str) -> Selected:
    """What starlette.routing.Router.app would select; captures are taken before conversion."""
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    partial: Selected = ("none", None, ())
    for index, one in enumerate(routes):
        found, _ = one.matches(scope)
        if found is Match.NONE:
            continue
        captured = one.path_regex.match(path)
        assert captured is not None
        # A float's regular expression has a group inside.
        params = tuple(captured.groupdict().values())
        if isinstance(one, Mount):
            return "opaque", index, ()
        if found is Match.FULL:
            return "full", index, params
        if partial[0] == "none":
            partial = "partial", index, params
    return partial


# --- Templates and paths that meet often --------------------------------------------------------

texts = st.sampled_from(["a", "b", "ab", "a.b", "1", "12", ".", "-", "v", "é", "", "{", "%", "a:b"])
kinds = st.sampled_from(["", "", "", ":str", ":int", ":float", ":uuid", ":path"])
uuids = st.sampled_from([uuid.UUID(int=7).hex, str(uuid.UUID(int=0xABCDEF)).upper()])


@st.composite
def segments(draw: st.DrawFn) -> str:
    """A segment of a template; parameters are named later."""
    if draw(st.booleans()):
        return draw(texts)
    count = draw(st.integers(1, 3))
    pieces = [draw(texts) if draw(st.booleans()) else ""]
    for _ in range(count):
        pieces.append(f"{{?{draw(kinds)}}}")
        pieces.append(draw(texts) if draw(st.booleans()) else "")
    return "".join(pieces)


@st.composite
def templates(draw: st.DrawFn) -> str:
    """A template with up to three segments."""
    path = "/" + "/".join(draw(st.lists(segments(), min_size=1, max_size=3)))
    count = path.count("?")
    for number in range(count):
        path = path.replace("?", f"p{number}", 1)
    return path


values = {
    "": st.sampled_from(["a", "b", "a.b", "..", "1", "aé", "日本", "\n", "a\n", " ", "a/b"]),
    "str": st.text(alphabet="ab1.-\né日", min_size=1, max_size=5),
    "int": st.sampled_from(["0", "007", "12", "-1", "1\n"]),
    "float": st.sampled_from(["0", "1.5", "1.", ".5", "1.2.3", "10.25"]),
    "uuid": st.sampled_from([uuid.UUID(int=7).hex, str(uuid.UUID(int=0xABCDEF)).upper(), "7"]),
    "path": st.sampled_from(["", "a", "a/b", "/", "a//1", "a\nb", "é/"]),
}
odd_paths = st.sampled_from(["", "*", "a", "/", "//", "/\n", "\n", "/a/"])


@st.composite
def paths_like(draw: st.DrawFn, template: str) -> str:
    """A path that the template may match: with values in it, now and then spoilt."""
    if draw(st.integers(0, 19)) == 0:
        return draw(odd_paths)
    path = re.sub(r"\{p\d+:?(\w*)\}", lambda found: draw(values[found.group(1)]), template)
    return path + draw(st.sampled_from(["", "", "", "", "", "\n", "/", "/a"]))


methods = st.sampled_from(["GET", "POST", "HEAD", "PROPPATCH", "PROPPATCX", "get"])
method_lists = st.one_of(st.none(), st.lists(methods, min_size=1, max_size=3))


@st.composite
def routes(draw: st.DrawFn) -> list[Route | Mount]:
    """Routes and, now and then, mounts."""
    made: list[Route | Mount] = []
    for _ in range(draw(st.integers(1, 8))):
        path = draw(templates())
        if draw(st.integers(0, 9)) == 0:
            made.append(Mount(draw(st.sampled_from([path, ""])), app=endpoint))
        else:
            made.append(route(path, draw(method_lists)))
    return made


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Route | Mount], list[tuple[str, str]]]:
    """Routes, and requests for them."""
    made = draw(routes())
    requests = [
        (draw(methods), draw(paths_like(draw(st.sampled_from(made)).path)))
        for _ in range(draw(st.integers(1, 8)))
    ]
    return made, requests


@settings(max_examples=150, deadline=None)
@given(cases())
@example(([route("/{p:path}", ["GET"]), route("/a", ["POST"])], [("POST", "/a"), ("PUT", "/a")]))
def test_selects_what_the_scan_selects(
    case: tuple[list[Route | Mount], list[tuple[str, str]]],
) -> None:
    made, requests = case
    ours = router(*made)
    for method, path in requests:
        assert ours.match(method, path) == scan(made, method, path), (made, method, path)


@settings(max_examples=150, deadline=None)
@given(templates().flatmap(lambda path: st.tuples(st.just(path), st.lists(paths_like(path)))))
@example(("/{a}{b}", ["/xé", "/é", "/xy\n"]))
@example(("/{a}.{b}.{c}", ["/1.2.3.4", "/...", "/....."]))
@example(("/{a:float}{b:path}", ["/1.5", "/1.5/x", "/1.x"]))
@example(("/{a:path}/{b:path}", ["/1/2/3", "//", "/1\n"]))
def test_one_template_captures_what_its_expression_captures(case: tuple[str, list[str]]) -> None:
    path, candidates = case
    one = route(path)
    ours = router(one)
    for candidate in candidates:
        found = one.path_regex.match(candidate)
        expected = (
            ("none", None, ()) if found is None else ("full", 0, tuple(found.groupdict().values()))
        )
        assert ours.match("GET", candidate) == expected


# --- The order ----------------------------------------------------------------------------------


def test_the_first_full_match_wins_even_over_a_better_one() -> None:
    ours = router(route("/p/{a}"), route("/p/fixed"))
    assert ours.match("GET", "/p/fixed") == ("full", 0, ("fixed",))


def test_a_later_full_match_beats_an_earlier_partial_one() -> None:
    ours = router(route("/p/{a}", ["POST"]), route("/{b}/{c}", ["GET"]), route("/p/q", ["GET"]))
    assert ours.match("GET", "/p/q") == ("full", 1, ("p", "q"))


def test_the_first_partial_match_is_reported_with_its_parameters() -> None:
    ours = router(route("/{x}", ["POST"]), route("/a", ["PUT"]))
    assert ours.match("GET", "/a") == ("partial", 0, ("a",))


def test_many_routes_keep_their_order() -> None:
    made = [
        route(f"/{prefix}{number}/{tail}", [method])
        for number in range(200)
        for prefix, tail, method in [("a", "{x}", "GET"), ("a", "b", "POST"), ("{y}", "b", "GET")]
    ]
    ours = router(*made)
    for path in ["/a0/b", "/a77/b", "/a199/b", "/a200/b", "/z77/b", "/a5/c"]:
        for method in ["GET", "POST", "PUT"]:
            assert ours.match(method, path) == scan(made, method, path)


# --- What is left to FastAPI --------------------------------------------------------------------


def test_a_mount_that_is_selected_is_opaque() -> None:
    ours = router(route("/m/first"), Mount("/m", app=endpoint), route("/m/{later}"))
    assert ours.match("GET", "/m/first") == ("full", 0, ())
    assert ours.match("GET", "/m/other") == ("opaque", 1, ())
    assert ours.match("GET", "/m/") == ("opaque", 1, ())
    assert ours.match("GET", "/m") == ("none", None, ())


def test_a_host_makes_all_opaque_that_no_earlier_route_matches_in_full() -> None:
    ours = router(route("/a", ["POST"]), route("/b"), Host("h", app=endpoint), route("/c"))
    assert ours.match("GET", "/a") == ("opaque", 2, ())
    assert ours.match("GET", "/b") == ("full", 1, ())
    assert ours.match("GET", "/c") == ("opaque", 2, ())
    assert ours.match("GET", "/none") == ("opaque", 2, ())


def test_an_int_that_may_be_too_long_for_int_is_opaque() -> None:
    made = [route("/{i:int}"), route("/{s}")]
    short = "1" * 640
    assert router(*made).match("GET", f"/{short}") == ("full", 0, (short,))
    assert router(*made).match("GET", f"/{short}1") == ("opaque", 0, ())
    assert router(*reversed(made)).match("GET", f"/{short}1") == ("full", 0, (short + "1",))
    with pytest.raises(ValueError, match="integer string conversion"):
        scan(made, "GET", "/" + "1" * (sys.get_int_max_str_digits() + 1))


def test_a_path_that_takes_too_much_backtracking_is_opaque() -> None:
    ours = router(route("/first/{s}"), route("/{a}x{b}x{c}x{d:int}y"), route("/{s}"))
    hostile = "/" + "x" * 1000 + "zy"
    assert ours.match("GET", "/1x2x3x4y") == ("full", 1, ("1", "2", "3", "4"))
    assert ours.match("GET", hostile) == ("opaque", 1, ())
    assert ours.match("GET", "/first" + hostile) == ("full", 0, (hostile[1:],))


# --- Templates ----------------------------------------------------------------------------------


def test_templates_are_split_where_starlette_splits_them() -> None:
    assert parse_path("/a/{b}/c{d:int}.{e:path}") == (
        "/a/",
        Parameter("b", "str"),
        "/c",
        Parameter("d", "int"),
        ".",
        Parameter("e", "path"),
    )
    assert parse_path("/{not a parameter}/{1}/{}") == ("/{not a parameter}/{1}/{}",)
    assert parse_path("") == ()


@given(templates())
def test_tokens_make_the_same_expression(path: str) -> None:
    assert path_regex(parse_path(path)) == route(path).path_regex.pattern


def test_foreign_convertors_are_named_as_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    class Word(Convertor[str]):
        regex = "[a-z]+"

    class Negative(IntegerConvertor):
        regex = "-?[0-9]+"

    monkeypatch.setitem(CONVERTOR_TYPES, "word", Word())
    monkeypatch.setitem(CONVERTOR_TYPES, "int", Negative())
    for kind in ["word", "int"]:
        with pytest.raises(OpaquePath, match=f"convertor '{kind}' is not one of Starlette's own"):
            route_spec(route(f"/{{x:{kind}}}"))
    with pytest.raises(OpaquePath, match="convertor 'nowhere'"):
        parse_path("/{x:nowhere}")


def test_a_route_with_another_expression_is_opaque() -> None:
    one = route("/a/{b}")
    one.path_regex = re.compile("^/a/(?P<b>.+)$")
    with pytest.raises(OpaquePath, match="another expression"):
        route_spec(one)
    one.path_regex = re.compile("^/a/(?P<b>[^/]+)$", re.IGNORECASE)
    with pytest.raises(OpaquePath, match="another expression"):
        route_spec(one)


@pytest.mark.parametrize(
    "path",
    [
        "relative",
        "/line\nfeed",
        "/" + "".join(f"{{p{n}}}" for n in range(17)),
        "/x" * 65,
        "/\ud800",
    ],
)
def test_templates_beyond_the_router_are_opaque(path: str) -> None:
    with pytest.raises(OpaquePath):
        route_spec(APIRoute(path, endpoint))


def test_an_included_router_gives_its_effective_routes() -> None:
    inner = APIRouter()
    inner.add_api_route("/{item}", endpoint, methods=["GET"])
    app = FastAPI(openapi_url=None)
    app.include_router(inner, prefix="/items/{owner:int}")
    [included] = app.router.routes
    contexts = list(included.effective_route_contexts())  # type: ignore[attr-defined]
    spec = route_spec(contexts[0])
    assert Router([spec]).match("GET", "/items/7/x") == ("full", 0, ("7", "x"))
    assert Router([spec]).match("HEAD", "/items/7/x") == ("partial", 0, ("7", "x"))


# --- The type -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("path", TypeError),
        (("path",), ValueError),
        (("nothing", ()), ValueError),
        (("path", ("/", 1), None), TypeError),
        (("path", ("/", ("x", "y")), None), ValueError),
        (("path", ("/", ("x", 1)), None), TypeError),
        (("path", ("/",), (1,)), TypeError),
        (("path", ("a",), None), ValueError),
        (("path", (("x", "str"),), None), ValueError),
        (("prefix", ("a",)), ValueError),
        (("path", 7, None), TypeError),
    ],
)
def test_specifications_that_make_no_sense_are_refused(spec: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Router([("path", ("/fine",), None), spec])


def test_text_that_is_not_unicode_is_refused() -> None:
    ours = Router([("path", ("/",), None)])
    with pytest.raises(UnicodeEncodeError):
        ours.match("GET", "/\udc80")
    with pytest.raises(TypeError):
        ours.match("GET", b"/")
