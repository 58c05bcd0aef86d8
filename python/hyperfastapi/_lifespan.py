"""ASGI's lifespan protocol: start-up before the first request, shutdown after the last.

Follows the ASGI specification, https://asgi.readthedocs.io/en/latest/specs/lifespan.html, and what
servers do where it is silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

logger = logging.getLogger("hyperfastapi.error")

Application = Callable[..., Awaitable[None]]
Message = MutableMapping[str, Any]


class Lifespan:
    """One application's lifespan, run in a task of its own.

    Args:
        app: the ASGI application.
        mode: ``"auto"``: an application that raises before it has answered has no lifespan;
            ``"on"``: that is a failure; ``"off"``: the application is not asked.
    """

    def __init__(self, app: Application, mode: str) -> None:
        self.state: dict[str, Any] = {}
        self.failed = False
        self._app = app
        self._mode = mode
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._startup = asyncio.Event()
        self._shutdown = asyncio.Event()
        self._startup_failed = False
        self._shutdown_failed = False
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> None:
        """Run the application's start-up; `failed` tells how it went."""
        if self._mode == "off":
            return
        logger.info("Waiting for application startup.")
        self._task = asyncio.get_running_loop().create_task(self._main())
        self._received.put_nowait({"type": "lifespan.startup"})
        await self._startup.wait()
        if self._startup_failed or (self.failed and self._mode == "on"):
            logger.error("Application startup failed. Exiting.")
            self.failed = True
        else:
            self.failed = False
            logger.info("Application startup complete.")

    async def shutdown(self) -> None:
        """Run the application's shutdown, if it has a lifespan; `failed` tells how it went."""
        if self._task is None or self._task.done():
            return
        logger.info("Waiting for application shutdown.")
        self._received.put_nowait({"type": "lifespan.shutdown"})
        await self._shutdown.wait()
        if self._shutdown_failed or (self.failed and self._mode == "on"):
            logger.error("Application shutdown failed. Exiting.")
            self.failed = True
        else:
            logger.info("Application shutdown complete.")

    async def _main(self) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._receive, self._send)
        except BaseException as exception:
            self.failed = True
            if self._startup_failed or self._shutdown_failed:
                return  # it has told so itself, and why
            if self._mode == "auto" and not self._startup.is_set():
                logger.info("ASGI 'lifespan' protocol appears unsupported.")
            else:
                logger.error("Exception in 'lifespan' protocol\n", exc_info=exception)
                self._startup_failed = not self._startup.is_set()
                self._shutdown_failed = self._startup.is_set()
        finally:
            self._startup.set()
            self._shutdown.set()

    async def _receive(self) -> Message:
        return await self._received.get()

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete" and not self._startup.is_set():
            self._startup.set()
        elif kind == "lifespan.startup.failed" and not self._startup.is_set():
            self._startup_failed = True
            if message.get("message"):
                logger.error(message["message"])
            self._startup.set()
        elif kind == "lifespan.shutdown.complete" and not self._shutdown.is_set():
            self._shutdown.set()
        elif kind == "lifespan.shutdown.failed" and not self._shutdown.is_set():
            self._shutdown_failed = True
            if message.get("message"):
                logger.error(message["message"])
            self._shutdown.set()
        else:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' in the lifespan protocol.")
