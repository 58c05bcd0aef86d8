"""An application's compiled routes: made at its first request, guarded, made anew when it changes.

The way in is the exception middleware of the application's own stack (`prepare`): its class becomes
one that asks the C core first and is Starlette's otherwise. Under our own server, requests of an
application without middleware of the user's do not even get there: the server asks the core itself.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import Receive, Scope, Send

from . import _core, _route_compiler, _route_paths, cancellation
from ._fastapi import (
    Unknown,
    applications,
    handlers,
    hooks,
    http_middleware,
    native_class,
    routes,
    stage_middleware,
    stages,
    static_files,
    telemetry,
    unrouted,
    websockets,
)
from ._fastapi.routes import EffectiveRoute

_OTHER_MIDDLEWARE = "other middleware has to run"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one route.

    Attributes:
        path: its path template; empty where it has none.
        methods: those that it answers, sorted; empty: any, or not by method.
        name: of the endpoint, or of the kind of route.
        reason: why it is left to FastAPI's own code; None: it is compiled.
        is_mount: whether it is a mount, whose application answers.
        is_websocket: whether it is a route for WebSockets.
    """

    path: str
    methods: tuple[str, ...]
    name: str
    reason: str | None
    is_mount: bool
    is_websocket: bool


def _name_of(route: EffectiveRoute) -> str:
    effective = route.effective
    endpoint = getattr(effective, "endpoint", None)
    if endpoint is None:
        return type(route.route).__name__
    return str(getattr(endpoint, "__name__", type(endpoint).__name__))


def _verdict(route: EffectiveRoute, reason: str | None) -> Verdict:
    effective = route.effective
    return Verdict(
        path=str(getattr(effective, "path", "")),
        methods=tuple(sorted(getattr(effective, "methods", None) or ())),
        name=_name_of(route),
        reason=reason,
        is_mount=routes.is_mount(route.route),
        is_websocket=routes.is_websocket_route(route.route),
    )


def _spec(route: EffectiveRoute) -> tuple[Any, ...]:
    """How the core's router finds a route; raises OpaquePath."""
    if route.is_api_route or routes.is_plain_route(route.route):
        return _route_paths.route_spec(route.effective)
    if routes.is_websocket_route(route.route):
        return _route_paths.websocket_spec(route.effective, websockets.METHOD)
    if routes.is_mount(route.route):
        return _route_paths.mount_spec(route.effective)
    raise _route_paths.OpaquePath("only the route itself can tell what it matches")


class CompiledApplication:
    """The compiled routes of one application.

    Args:
        app: the application.
        middleware: the exception middleware of its stack.
    """

    def __init__(self, app: Any, middleware: ExceptionMiddleware) -> None:
        cancellation.check_application(app)
        self.app = app
        self._hooks = hooks.Hooks(app, middleware, _core.RESPONSE_STARTED)
        self.core = _core.Application(app, self._hooks, self._recompile, telemetry.SCOPES_OF_OTHERS)
        self.enter = self.core.enter
        self._lock = threading.RLock()
        self._routes: list[EffectiveRoute] = []
        self._verdicts: list[Verdict] = []
        self._bridged: Counter[str] = Counter()
        self._failure: str | None = None
        self.mounted: list[Any] = []
        self.is_whole = False
        self._not_whole: str | None = None

    def verdicts(self) -> list[Verdict]:
        """Compile now, and tell what has become of each route."""
        with self._lock:
            self._compile()
            return list(self._verdicts)

    def middleware(self) -> list[tuple[str, str | None]]:
        """Name the user's middleware in the stack, outermost first, with why it is not native."""
        try:
            users = applications.user_middleware(self.app)
        except Unknown:
            return []
        found: list[tuple[str, str | None]] = []
        for each in users:
            found.append((type(each).__name__, self._why_not_native(each)))
        return found

    def _why_not_native(self, middleware: Any) -> str | None:
        try:
            if http_middleware.is_http_middleware(middleware):
                http_middleware.check_middleware(middleware)
                return None
            stage_middleware.check_middleware(middleware)
        except Unknown as unknown:
            return str(unknown)
        if not native_class.is_native(middleware):
            return "its class cannot be replaced"
        return None

    def stepped_aside(self) -> Counter[str]:
        """Count the requests that native middleware has left to its classes' own code, by class."""
        counted: Counter[str] = Counter()
        try:
            users = applications.user_middleware(self.app)
        except Unknown:
            users = []
        for each in users:
            counted[type(each).__name__] += native_class.stepped_aside(each)
        return +counted

    def compile_mounted(self) -> None:
        """Compile the mounted applications whose stack their first request has built by now."""
        with self._lock:
            waiting = self.mounted
            self.mounted = [each for each in waiting if each.middleware_stack is None]
            for each in waiting:
                if each.middleware_stack is not None and of(each) is None:
                    compile_stack(each, each.middleware_stack)

    def counts(self) -> tuple[int, Counter[str]]:
        """Return the number of requests answered by plans, and by FastAPI with the reasons."""
        with self._lock:
            compiled, unmatched, followed, unguarded, _ = self.core.counts()
            bridged = self._bridged_now()
            bridged["no route matches, or not with this method"] += unmatched
            bridged["telemetry follows the request"] += followed
            bridged[self._failure or "the application has changed while it was served"] += unguarded
            return compiled, +bridged

    def _bridged_now(self) -> Counter[str]:
        bridged = Counter(self._bridged)
        for verdict, count in zip(self._verdicts, self.core.counts()[4], strict=False):
            rest = "its plan could not be used"
            if verdict.is_mount:
                rest = "no file that can be sent without waiting is there"
            bridged[verdict.reason or rest] += count
        return bridged

    def _recompile(self, index: int | None) -> None:
        """Compile everything, or one route; called by the core when a guard does not hold."""
        with self._lock:
            if index is None:
                self._compile()
            elif index < len(self._routes):
                plan, reason = self._plan(self._routes[index])
                self._verdicts[index] = _verdict(self._routes[index], reason)
                self.core.replace(index, plan)

    def _compile(self) -> None:
        self._bridged = self._bridged_now()
        try:
            guards = self._guards()
            self._failure = None
        except Unknown as unknown:
            self._failure = str(unknown)
            guards = ()
        router = self.app.router
        found = list(routes.effective_routes(router))
        specs: list[tuple[Any, ...]] = []
        plans: list[Any] = []
        self._routes = found
        mounted = [routes.mounted_app(each.route) for each in found]
        self.mounted = [each for each in mounted if can_prepare(each)]
        self._verdicts = []
        for route in found:
            plan: Any = None
            try:
                spec = _spec(route)
            except _route_paths.OpaquePath as opaque:
                spec = ("opaque",)
                reason: str | None = str(opaque)
            else:
                plan, reason = self._plan(route)
            specs.append(spec)
            plans.append(plan)
            self._verdicts.append(_verdict(route, reason))
        lists = [(each.routes, tuple(each.routes)) for each in routes.routers_of(router)]
        answers = self._unrouted(specs) if self._failure is None else None
        if answers is not None:
            guards = (*guards, *unrouted.default_guards(router))
            lists += unrouted.default_lists(router)
        native = self._native_stages()
        self.is_whole = native is not None
        for each in applications.user_middleware(self.app) if native else ():
            guards = (*guards, *stages.stage_guards(each))
            lists += stages.stage_lists(each)
        # What compresses sees the bytes as well.
        sees_heads = native is not None and all(name != "gzip" for name, *_ in native)
        sites: list[Any] = []
        for index, route in enumerate(found):
            site, description = self._site(index, route, sees_heads=sees_heads)
            sites.append(site)
            if description is not None:
                guards = (*guards, *description.guards)
                lists += description.lists
        self.core.load(
            router=_core.Router(tuple(specs)),
            plans=tuple(plans),
            sites=tuple(sites),
            guards=guards,
            lists=tuple(lists),
            unrouted=answers,
            stages=tuple(reversed(native or ())),
            sender=_core.Plan(_route_compiler.describe_unrouted()),
            is_whole=self.is_whole,
            body_limit=self._body_limit() if self._failure is None else -1,
        )

    def _guards(self) -> tuple[tuple[dict[str, Any], str, Any], ...]:
        app = self.app
        applications.check_application(app)
        applications.body_limit(app)
        guards: list[tuple[dict[str, Any], str, Any]] = [
            (vars(app), name, vars(app)[name])
            for name in ("middleware_stack", "router", "root_path", "debug")
        ]
        guards.extend(applications.telemetry_guards(app))
        for router in routes.routers_of(app.router):
            if "_routes_version" in vars(router):
                guards.append((vars(router), "_routes_version", router._routes_version))
        return tuple(guards)

    def _body_limit(self) -> int:
        limit = applications.body_limit(self.app)
        return -1 if limit is None else min(limit, _route_compiler.LIMIT_MAX)

    def _unrouted(self, specs: list[tuple[Any, ...]]) -> tuple[unrouted.Unrouted, Any] | None:
        """What answers where no route does; None: FastAPI's own code."""
        router = self.app.router
        try:
            unrouted.check_default(router)
        except Unknown:
            return None
        mounts = frozenset(
            index
            for index, spec in enumerate(specs)
            if spec[0] == "prefix" and all(isinstance(token, str) for token in spec[1])
        )
        answers = unrouted.Unrouted(router, self._routes, mounts, self._hooks)
        return answers, _core.Plan(_route_compiler.describe_unrouted())

    def _native_stages(self) -> list[stages.Stage] | None:
        """What stands for the middleware, outermost first; None: see `_not_whole`."""
        self._not_whole = None
        try:
            return self._stages()
        except Unknown as unknown:
            self._not_whole = str(unknown)
            return None

    def _stages(self) -> list[stages.Stage]:
        """What stands for the middleware, outermost first; `Unknown`: something else has to run."""
        app = self.app
        if self._failure is not None:
            raise Unknown(self._failure)
        if of(app) is not self:
            raise Unknown("the stack has been dropped, or built anew")
        if app.root_path:
            raise Unknown("root_path is set")
        if applications.has_own_stack(app):
            raise Unknown("the application's stack or call has been replaced")
        if not applications.is_called_as_fastapi(app):
            raise Unknown("the application has a __call__ of its own")
        if applications.telemetry_is_on(app):
            raise Unknown("telemetry follows the requests")
        users = applications.user_middleware(app)
        if len(users) > stages.STAGES_MAX:
            raise Unknown(_OTHER_MIDDLEWARE)
        try:
            return [stages.stage_of(each) for each in users]
        except Unknown:
            raise Unknown(_OTHER_MIDDLEWARE) from None

    def _plan(self, route: EffectiveRoute) -> tuple[Any, str | None]:
        """Return a route's plan, or None and the reason."""
        if self._failure is not None:
            self._warn_of_bounds(route, self._failure)
            return None, self._failure
        try:
            return _core.Plan(self._describe(route)), None
        except Unknown as unknown:
            self._warn_of_bounds(route, str(unknown))
            return None, str(unknown)

    def _site(
        self, index: int, route: EffectiveRoute, *, sees_heads: bool
    ) -> tuple[Any, static_files.Site | None]:
        """Return what answers with the files of a mount, and what it was made from, or nothing.

        Args:
            index: of the route.
            route: any.
            sees_heads: all middleware of the user's is native, and asks for no more than heads.
        """
        if self._failure is not None or not static_files.is_static(routes.mounted_app(route.route)):
            return None, None
        site = description = reason = None
        try:
            if not sees_heads:
                raise Unknown(self._why_not_around_files())
            description = static_files.site_of(route.effective)
            site = _core.StaticFiles(
                prefix=description.prefix,
                directory=description.directory,
                follows_links=description.follows_links,
                describe=description.describe,
                not_modified=static_files.not_modified,
                plan=_core.Plan(_route_compiler.describe_unrouted()),
                watched=description.watched,
            )
        except Unknown as unknown:
            reason = str(unknown)
        except OSError as error:
            reason = f"this system does not open files without waiting: {error.strerror}"
        self._verdicts[index] = _verdict(route, reason)
        return site, description if site is not None else None

    def _why_not_around_files(self) -> str:
        if self._not_whole in (None, _OTHER_MIDDLEWARE):
            return "middleware around it sees its messages"
        return str(self._not_whole)

    def _warn_of_bounds(self, route: EffectiveRoute, reason: str) -> None:
        effective = route.effective
        if route.is_api_route and cancellation.bounds_of(self.app, effective.endpoint) is not None:
            warnings.warn(
                f"time_limit and cancel_on_disconnect do not hold for {effective.path!r}: FastAPI's"
                f" own code answers there, as {reason}",
                RuntimeWarning,
                stacklevel=2,
            )

    def _describe(self, route: EffectiveRoute) -> _route_compiler.Plan:
        describe = _route_compiler.describe
        if websockets.is_api_websocket_route(route.route):
            describe = _route_compiler.describe_websocket
            state = websockets.websocket_state(route.effective.app)
        elif route.is_api_route:
            state = handlers.handler_state(route.effective.app)
        else:
            return _route_compiler.describe_plain(app=self.app, router=self.app.router, route=route)
        provider = state["dependency_overrides_provider"]
        holder = vars(provider) if provider is not None else None
        overrides = getattr(provider, "dependency_overrides", None) or {}
        if holder is not None and type(holder.get("dependency_overrides")) is not dict:
            raise Unknown("dependency_overrides is no dict")
        return describe(
            app=self.app,
            router=self.app.router,
            route=route,
            overrides_of=holder,
            overrides=overrides,
        )


class CompiledExceptionMiddleware(ExceptionMiddleware):
    """Starlette's exception middleware, which lets compiled routes answer what they can."""

    compiled: CompiledApplication

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:  # type: ignore[override]
        if scope["type"] in ("http", "websocket"):
            answering = self.compiled.enter(scope, receive, send)
            if answering is not None:
                return answering
            if self.compiled.mounted:
                self.compiled.compile_mounted()
        return super().__call__(scope, receive, send)


def of(app: Any) -> CompiledApplication | None:
    """Return the compiled routes of an application whose stack has been prepared."""
    if not applications.is_fastapi(app) or app.middleware_stack is None:
        return None
    middleware = applications.exception_middleware(app.middleware_stack)
    if not isinstance(middleware, CompiledExceptionMiddleware):
        return None
    return middleware.compiled


class _Switch:
    is_on = True


def disable() -> None:
    """Compile nothing more in this process: FastAPI's own code is to answer."""
    _Switch.is_on = False


def compile_stack(app: Any, stack: Any) -> Callable[..., Awaitable[None] | None] | None:
    """Put compiled routes into a middleware stack that has just been built.

    Returns:
        What takes a call of the whole application, or None; it answers None where FastAPI has to.
    """
    if not _Switch.is_on:
        return None
    middleware = applications.exception_middleware(stack)
    if middleware is None or type(middleware) is not ExceptionMiddleware:
        return None
    for each in applications.chain_of(stack):
        with contextlib.suppress(Unknown):
            if http_middleware.is_http_middleware(each):
                http_middleware.make_native(each)
            else:
                stage_middleware.make_native(each)
    compiled = CompiledApplication(app, middleware)
    for each in applications.chain_of(stack):
        stage_middleware.bind(each, compiled.core)
    middleware.__class__ = CompiledExceptionMiddleware
    middleware.compiled = compiled  # type: ignore[attr-defined]
    return compiled.core.enter_whole


def can_prepare(app: Any) -> bool:
    """Tell whether an application is one whose stack `prepare()` would build."""
    return applications.is_fastapi(app) and applications.is_called_as_fastapi(app)


def prepare(app: Any) -> CompiledApplication | None:
    """Build an application's middleware stack, as its first call would, with compiled routes.

    Args:
        app: any ASGI application.

    Returns:
        The compiled routes; None when it is no FastAPI application, or one that hides its router.
    """
    if not can_prepare(app):
        return None
    if app.middleware_stack is None:
        app.middleware_stack = app.build_middleware_stack()
    if of(app) is None:
        compile_stack(app, app.middleware_stack)
    return of(app)
