"""What the loop thread and the workers make of the interpreter lock while `def` code computes."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import fastapi
import pytest

from hyperfastapi.testing import ThreadServer

# Microseconds: the switch interval while the loop thread has the lock, and while others have it.
LOOP_HAS_IT = 2000
OTHERS_HAVE_IT = 100


# How Linux schedules; other systems know no such policies.
BATCH, USUAL = getattr(os, "SCHED_BATCH", None), getattr(os, "SCHED_OTHER", None)


def switch_interval() -> int:
    """What the application sees, in microseconds."""
    return round(sys.getswitchinterval() * 1e6)


def scheduling() -> int | None:
    """The policy by which the system schedules this thread."""
    return os.sched_getscheduler(0) if hasattr(os, "sched_getscheduler") else None


def scheduler_slice() -> list[str]:
    """What the system tells of the calling thread's slice; nothing where it tells nothing."""
    try:
        lines = Path(f"/proc/self/task/{threading.get_native_id()}/sched").read_text().splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if line.startswith("se.slice")]


def in_child(function: Callable[[], int]) -> int:
    """What a function returns in a process that is forked for it."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are other threads
        child = os.fork()
    if child == 0:
        os.write(writing, b"%d" % function())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with open(reading, "rb") as answer:
        return int(answer.read())


class Computing:
    """A server, one of whose handlers computes until it is told to end."""

    def __init__(self) -> None:
        self.app = fastapi.FastAPI()
        self.rounds = 0
        self.intervals: set[int] = set()
        self.policies: set[int | None] = set()
        self._ends = threading.Event()
        self.app.get("/compute")(self._compute)

        @self.app.get("/interval")
        async def interval() -> int:
            return switch_interval()

        @self.app.get("/worker")
        def worker() -> int:
            return self.rounds

        @self.app.get("/policy")
        def policy() -> int | None:
            return scheduling()

        @self.app.get("/slice")
        def slice_of_worker() -> list[str]:
            time.sleep(0.05)  # several have to be started
            return scheduler_slice()

        @self.app.get("/child")
        async def interval_in_child() -> int:
            return in_child(switch_interval)

        @self.app.get("/set/{microseconds}")
        async def set_interval(microseconds: int) -> None:
            sys.setswitchinterval(microseconds / 1e6)

    def _compute(self) -> None:
        start = time.thread_time()
        while not self._ends.is_set() or time.thread_time() - start < 0.01:
            sum(range(100))
            self.rounds += 1
            self.intervals.add(switch_interval())
            self.policies.add(scheduling())

    @contextmanager
    def serving(self) -> Iterator[None]:
        with ThreadServer(self.app) as self._server:
            self._ends.set()
            self.ask("/compute")  # from now on it is known to compute, however busy the machine is
            yield

    def ask(self, path: str) -> Any:
        """Ask on a connection of its own; returns what the answer's JSON says."""
        connection = http.client.HTTPConnection(self._server.host, self._server.port, timeout=60)
        with closing(connection):
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200
            return json.loads(response.read())

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Have it compute meanwhile, and the server know that."""
        self._ends.clear()
        request = threading.Thread(target=self.ask, args=("/compute",))
        request.start()
        try:
            while self.ask("/interval") != LOOP_HAS_IT:
                pass
            yield
        finally:
            self._ends.set()
            request.join()


@pytest.fixture
def computing() -> Iterator[Computing]:
    before = sys.getswitchinterval()
    server = Computing()
    with server.serving():
        yield server
    sys.setswitchinterval(before)


def test_the_loop_keeps_the_lock_for_longer_than_who_computes(computing: Computing) -> None:
    before = switch_interval()
    with computing.computing():
        computing.intervals.clear()
        while OTHERS_HAVE_IT not in computing.intervals:
            computing.ask("/interval")
    assert switch_interval() == before


def test_all_make_progress(computing: Computing) -> None:
    with computing.computing():
        for path in ("/interval", "/worker"):
            rounds = computing.rounds
            while computing.rounds == rounds:
                computing.ask(path)


def test_what_the_application_sets_meanwhile_stays(computing: Computing) -> None:
    with computing.computing():
        computing.ask("/set/3500")
        rounds = computing.rounds
        while computing.rounds == rounds:
            assert computing.ask("/interval") == 3500
    assert computing.ask("/interval") == 3500


def test_who_computes_takes_the_processor_from_nobody(computing: Computing) -> None:
    with computing.computing():
        while BATCH not in computing.policies:
            computing.ask("/interval")
        assert computing.ask("/policy") == USUAL
    assert computing.ask("/policy") == USUAL


def test_workers_that_were_started_meanwhile_have_the_systems_slice(computing: Computing) -> None:
    usual = scheduler_slice()
    with ThreadPoolExecutor(8) as clients:
        with computing.computing():
            list(clients.map(computing.ask, ["/slice"] * 16))
        slices = list(clients.map(computing.ask, ["/slice"] * 16))
    assert slices == [usual] * 16


def test_a_process_that_is_forked_meanwhile_has_the_usual_interval(computing: Computing) -> None:
    before = switch_interval()
    with computing.computing():
        assert computing.ask("/child") == before
    assert computing.ask("/child") == before
