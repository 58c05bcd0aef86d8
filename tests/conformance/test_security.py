"""Security schemes: what they take, refuse and tell the client, and their scopes."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    HTTPDigest,
    OAuth2,
    OAuth2AuthorizationCodeBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    OAuth2PasswordRequestFormStrict,
    OpenIdConnect,
    SecurityScopes,
)

from .requests import get, post_form


def schemes(auto_error):
    return {
        "basic": HTTPBasic(auto_error=auto_error),
        "basic with a realm": HTTPBasic(realm="a realm", auto_error=auto_error),
        "bearer": HTTPBearer(auto_error=auto_error),
        "bearer with a format": HTTPBearer(bearerFormat="JWT", auto_error=auto_error),
        "digest": HTTPDigest(auto_error=auto_error),
        "key in the query": APIKeyQuery(name="key", auto_error=auto_error),
        "key in a header": APIKeyHeader(name="X-Key", auto_error=auto_error),
        "key in a cookie": APIKeyCookie(name="key", auto_error=auto_error),
        "oauth2": OAuth2(auto_error=auto_error),
        "password": OAuth2PasswordBearer(tokenUrl="token", auto_error=auto_error),
        "code": OAuth2AuthorizationCodeBearer(
            authorizationUrl="authorize", tokenUrl="token", auto_error=auto_error
        ),
        "openid": OpenIdConnect(openIdConnectUrl="/openid", auto_error=auto_error),
    }


REQUESTS = [
    get("/"),
    get("/?key=k", "x-key: k", "cookie: key=k"),
    get("/?key=", "x-key:", "cookie: key=", "authorization:"),
    *[
        get("/", f"authorization: {value}")
        for value in (
            "Bearer token", "bearer token", "BEARER token", "Bearer", "Bearer ", "Bearer  two",
            "Bearer a b", "Basic dXNlcjpwYXNz", "basic dXNlcjpwYXNz", "Basic", "Basic ",
            "Basic dXNlcg==", "Basic !", "Basic dXNlcjpwYTpzcw==", "Basic w6nDqTrDqQ==",
            "Basic dXNlcjpwYXNz\xe9", "Basic /////w==", "Basic dXNlcjpwYXN", "Basic Og==",
            "Digest abc", "Digest", "digest a=b, c=d", "Token abc", "x", "Bearer\ttoken",
        )
    ],
    get("/", "authorization: Bearer one", "authorization: Bearer two"),
    get("/?key=1&key=2", "x-key: 1", "x-key: 2", "cookie: key=1; key=2"),
]  # fmt: skip


@pytest.mark.compiled
@pytest.mark.parametrize("auto_error", [True, False])
@pytest.mark.parametrize("kind", schemes(True))
def test_scheme(conform, kind, auto_error):
    """G97: 401 or 403 with `WWW-Authenticate`, or None for the application to decide."""

    def make(side):
        app = side.FastAPI()
        scheme = schemes(auto_error)[kind]

        @app.get("/")
        async def endpoint(value: Annotated[Any, Security(scheme)]):
            side.log(repr(value))
            return value

        return app

    conform(make, *REQUESTS)


@pytest.mark.parametrize("kind", schemes(True))
def test_scheme_before_a_def(conform, kind):
    """G97."""

    def make(side):
        app = side.FastAPI()
        scheme = schemes(True)[kind]

        def user(value: Annotated[Any, Depends(scheme)]):
            return repr(value)

        @app.get("/")
        def endpoint(user: Annotated[str, Depends(user)], q: int = 0):
            return [user, q]

        return app

    conform(make, *REQUESTS[:4], REQUESTS[10], get("/?q=x"), get("/?q=x&key=1"))


def test_the_first_scheme_that_refuses_answers(conform):
    """C48, G97."""

    def make(side):
        app = side.FastAPI()
        bearer = HTTPBearer()
        key = APIKeyHeader(name="x-key")

        @app.get("/", dependencies=[Security(key)])
        async def endpoint(token: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]):
            return token

        return app

    conform(make, get("/"), get("/", "x-key: k"), get("/", "x-key: k", "authorization: Bearer t"))


def test_one_of_two_schemes_is_enough(conform):
    def make(side):
        app = side.FastAPI()
        bearer = HTTPBearer(auto_error=False)
        basic = HTTPBasic(auto_error=False)

        async def either(
            token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
            user: Annotated[HTTPBasicCredentials | None, Depends(basic)],
        ):
            if not token and not user:
                raise HTTPException(401, "who are you?", headers={"WWW-Authenticate": "Basic"})
            return [token, user]

        @app.get("/")
        def endpoint(who: Annotated[list, Depends(either)]):
            return who

        return app

    conform(make, *REQUESTS)


def scoped(side):
    """Scopes collected along a chain of dependencies."""
    app = side.FastAPI()
    oauth2 = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "me", "items": "items"})

    async def user(scopes: SecurityScopes, token: Annotated[str, Depends(oauth2)]):
        side.log("user", scopes.scope_str, scopes.scopes)
        if "items" in scopes.scopes and token != "all":
            raise HTTPException(
                403,
                "not enough",
                headers={"WWW-Authenticate": f'Bearer scope="{scopes.scope_str}"'},
            )
        return token

    def active(user: Annotated[str, Security(user, scopes=["me"])], scopes: SecurityScopes):
        side.log("active", scopes.scopes)
        return user

    @app.get("/me")
    async def me(user: Annotated[str, Depends(active)]):
        return user

    @app.get("/items")
    async def items(user: Annotated[str, Security(active, scopes=["items"])]):
        return user

    @app.get("/both", dependencies=[Security(active, scopes=["items", "more"])])
    def both(
        a: Annotated[str, Security(active, scopes=["items"])],
        b: Annotated[str, Depends(active)],
        c: Annotated[str, Security(user, scopes=["me"])],
        d: Annotated[str, Security(user)],
        scopes: SecurityScopes,
    ):
        return [a, b, c, d, scopes.scopes]

    return app


@pytest.mark.parametrize("path", ["/me", "/items", "/both"])
def test_scopes_add_up_along_the_chain(conform, path):
    """C50: the cache tells calls with different scopes apart."""
    conform(
        scoped,
        get(path),
        get(path, "authorization: Bearer some"),
        get(path, "authorization: Bearer all"),
    )


def test_scopes_without_security_are_empty(conform):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(scopes: SecurityScopes):
            return [scopes.scopes, scopes.scope_str]

        return app

    conform(make, get("/"))


def test_scopes_of_an_included_router(conform):
    """C50."""

    def make(side):
        def note(scopes: SecurityScopes):
            side.log(*scopes.scopes)
            return scopes.scopes

        app = side.FastAPI(dependencies=[Security(note, scopes=["app"])])
        router = side.APIRouter(dependencies=[Security(note, scopes=["router"])])

        @router.get("/", dependencies=[Security(note, scopes=["route"])])
        async def endpoint(value: Annotated[list, Security(note, scopes=["app"])]):
            return value

        app.include_router(router, prefix="/r", dependencies=[Security(note, scopes=["include"])])
        return app

    conform(make, get("/r/"))


FORMS = [
    b"grant_type=password&username=a&password=b", b"username=a&password=b", b"username=a", b"",
    b"grant_type=other&username=a&password=b&scope=x+y&client_id=c&client_secret=d",
    b"grant_type=password&username=a&password=b&scope=", b"username=&password=",
]  # fmt: skip


@pytest.mark.parametrize(
    "form", [OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict], ids=["lax", "strict"]
)
def test_the_form_of_the_password_flow(conform, form):
    def make(side):
        app = side.FastAPI()

        @app.post("/")
        async def endpoint(data: Annotated[form, Depends()]):
            return vars(data)

        return app

    conform(make, *[post_form("/", body) for body in FORMS])


class OwnScheme(HTTPBearer):
    """Overrides the call, as applications do."""

    async def __call__(self, request: Request) -> HTTPAuthorizationCredentials | None:
        credentials = await super().__call__(request)
        if credentials is not None and credentials.credentials == "expired":
            raise HTTPException(401, "expired", headers={"x-reason": "time"})
        return credentials


class OwnError(HTTPBearer):
    """Overrides what is raised."""

    def make_not_authenticated_error(self) -> HTTPException:
        return HTTPException(418, "no tea")


@pytest.mark.parametrize("scheme", [OwnScheme, OwnError], ids=lambda scheme: scheme.__name__)
def test_a_scheme_of_the_applications_own(conform, scheme):
    def make(side):
        app = side.FastAPI()

        @app.get("/")
        def endpoint(value: Annotated[Any, Depends(scheme())]):
            return value

        return app

    conform(make, *REQUESTS[:6], get("/", "authorization: Bearer expired"))


def test_attributes_of_a_scheme_are_read_for_each_request(conform):
    def make(side):
        app = side.FastAPI()
        scheme = APIKeyHeader(name="x-key")
        app.state.scheme = scheme

        @app.get("/")
        async def endpoint(value: Annotated[Any, Depends(scheme)]):
            return value

        return app

    conform(
        make,
        get("/"),
        lambda app: setattr(app.state.scheme, "auto_error", False),
        get("/"),
        lambda app: setattr(app.state.scheme.model, "name", "x-other"),
        get("/", "x-key: 1", "x-other: 2"),
    )


@pytest.mark.compiled
def test_a_scheme_with_an_error_of_the_applications_own(conform):
    """G97: what a subclass says of a request without credentials, in the event loop's thread."""

    def make(side):
        class Own(HTTPBearer):
            def make_not_authenticated_error(self):
                side.log("error", side.thread())
                return HTTPException(status_code=418, detail="own", headers={"X-Own": "1"})

        class OwnKey(APIKeyHeader):
            def check_api_key(self, api_key):
                side.log("key", repr(api_key), side.thread())
                return super().check_api_key(api_key) or "none"

        def before():
            return side.thread()

        app = side.FastAPI()

        @app.get("/")
        def endpoint(
            first: Annotated[str, Depends(before)],
            token: Annotated[HTTPAuthorizationCredentials, Depends(Own())],
            key: Annotated[str, Depends(OwnKey(name="X-Key", auto_error=False))],
        ):
            return [first, token.credentials, key]

        return app

    token = "authorization: Bearer t"
    conform(make, get("/"), get("/", token), get("/", token, "x-key: k"), get("/", "x-key: k"))


@pytest.mark.compiled
def test_a_scheme_changes_while_the_application_runs(conform):
    """G97: `auto_error` and the name of a key are looked at for each request."""

    def make(side):
        app = side.FastAPI()
        scheme = app.state.scheme = APIKeyQuery(name="key")

        @app.get("/")
        async def endpoint(key: Annotated[str | None, Security(scheme)]):
            return key

        return app

    def forgive(app):
        app.state.scheme.auto_error = False

    def rename(app):
        app.state.scheme.model.name = "other"

    found = [get("/?key=1&other=2"), get("/"), get("/?other=3")]
    conform(make, *found, forgive, *found, rename, *found)


@pytest.mark.compiled
def test_schemes_beside_each_other_and_in_the_place_of_others(conform):
    """G97, C50: cached as any dependency; overridden by a scheme, or by something else."""
    bearer, query = OAuth2PasswordBearer(tokenUrl="token"), APIKeyQuery(name="key")

    def make(side):
        app = side.FastAPI()
        app.state.side = side

        async def user(token: Annotated[str, Depends(bearer)]):
            side.log("user", token)
            return token.upper()

        @app.get("/")
        def endpoint(
            user: Annotated[str, Depends(user)],
            token: Annotated[str, Depends(bearer)],
            again: Annotated[str, Depends(bearer, use_cache=False)],
        ):
            return [user, token, again, side.thread()]

        return app

    def by_scheme(app):
        app.dependency_overrides[bearer] = query

    def by_function(app):
        app.dependency_overrides[bearer] = lambda: app.state.side.thread()

    found = [get("/?key=k", "authorization: Bearer t"), get("/")]
    conform(make, *found, by_scheme, *found, by_function, *found)


def test_a_scheme_that_takes_more_of_the_request(conform):
    """G97: a `__call__` of the application's own gets the whole request."""

    class Own(OAuth2PasswordBearer):
        async def __call__(self, request: Request):
            return [request.url.path, await super().__call__(request)]

    def make(side):
        app = side.FastAPI()

        @app.get("/")
        async def endpoint(found: Annotated[Any, Depends(Own(tokenUrl="token"))]):
            return found

        return app

    conform(make, get("/", "authorization: Bearer t"), get("/"), compiled=True)
