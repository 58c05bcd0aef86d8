"""`fastapi.applications` with hyperfastapi's `FastAPI` in the place of fastapi's."""

from __future__ import annotations

import os
import typing as _typing

from . import _aliases
from . import cancellation as _cancellation

# Before fastapi's names are imported below: hyperfastapi may stand in for fastapi at this moment.
_aliases.import_real()

from fastapi import applications as _applications  # noqa: E402
from fastapi.applications import FastAPI as _FastAPI  # noqa: E402

if _typing.TYPE_CHECKING:
    from fastapi.applications import AppType as AppType

# FastAPI's own class, even where install() has put ours in its place.
_original = _FastAPI


class FastAPI(_FastAPI):
    """`fastapi.FastAPI` with compiled routes, `run_native()`, and bounds of handlers.

    An application of this class runs under any ASGI server and under `TestClient` as well, and
    hyperfastapi serves an application of the original class as well as one of this.
    """

    @property
    def time_limit(self) -> float | None:
        """How many seconds the dependencies and the endpoint of a path operation may take.

        None: any number. See `hyperfastapi.cancellation`, also for what it raises.
        """
        seconds: float | None = vars(self).get("time_limit")
        return seconds

    @time_limit.setter
    def time_limit(self, seconds: float | None) -> None:
        _cancellation.check_seconds("FastAPI.time_limit", seconds)
        vars(self)["time_limit"] = seconds

    @property
    def cancel_on_disconnect(self) -> bool:
        """Whether they are cancelled when their client has gone."""
        return bool(vars(self).get("cancel_on_disconnect", False))

    @cancel_on_disconnect.setter
    def cancel_on_disconnect(self, enabled: bool) -> None:
        _cancellation.check_flag("FastAPI.cancel_on_disconnect", enabled)
        vars(self)["cancel_on_disconnect"] = enabled

    def build_middleware_stack(self) -> _typing.Any:
        """Build the stack as FastAPI does, with compiled routes at its core."""
        from . import _compiled

        stack = super().build_middleware_stack()
        self._compiled = _compiled.compile_stack(self, stack)
        return stack

    async def __call__(self, scope: _typing.Any, receive: _typing.Any, send: _typing.Any) -> None:
        """Answer a request; a compiled route at once where nothing of the user's is around it."""
        compiled = self.__dict__.get("_compiled")
        if compiled is not None:
            answering = compiled(scope, receive, send)
            if answering is not None:
                await answering
                return
        await super().__call__(scope, receive, send)

    __call__.calls_as_fastapi = True  # type: ignore[attr-defined]

    def run_native(
        self,
        host: str = "127.0.0.1",
        port: int = 8000,
        workers: int = 1,
        reuse_port: bool = False,
        tls_cert: str | os.PathLike[str] | list[str | os.PathLike[str]] | None = None,
        tls_key: str | os.PathLike[str] | list[str | os.PathLike[str]] | None = None,
        http3: bool = False,
        **settings: _typing.Any,
    ) -> None:
        """Serve this application from the C server until SIGINT or SIGTERM.

        Settings come from the arguments alone: the `HYPERFASTAPI_*` variables and env-files are
        for the `hyperfastapi` command. (`FORWARDED_ALLOW_IPS` is read, as uvicorn does.)

        Args:
            host: the address or host name to listen on; several are separated by commas, and an
                empty string means every address of the machine.
            port: the TCP port, 0 to 65535; 0 takes a free one.
            workers: the number of processes. With more than one, this process supervises: it
                forks them from itself as it is now, so no thread should be running yet.
            reuse_port: let other programs of the same user listen on the same port.
            tls_cert: the file of the certificate and its chain, in PEM: serve HTTPS, with HTTP/2
                for clients that ask for it. A list of files serves several names.
            tls_key: the file of its private key; None: it is in the certificate's file.
            http3: must be False: this build has no HTTP/3 yet.
            **settings: any other setting by its name, as in `hyperfastapi run --help` with
                underscores: `timeout_keep_alive=5`.

        Raises:
            hyperfastapi._config.ConfigError: a setting is unknown or its value is invalid.
            RuntimeError: called inside a running event loop or, with workers, outside the main
                thread.
            SystemExit: with code 3, the server could not start (the reason has been logged); or
                the process ended because a worker could not.
        """
        from . import _config, _launch

        config = _config.for_run_native(
            host=host,
            port=port,
            workers=workers,
            reuse_port=reuse_port,
            tls_cert=tls_cert,
            tls_key=tls_key,
            http3=http3,
            settings=settings,
        )
        _launch.run_application(config, self)


def __getattr__(name: str) -> _typing.Any:
    try:
        return getattr(_applications, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_applications)})


if _aliases.has_stood_in():
    from . import _install

    _install.substitute()
