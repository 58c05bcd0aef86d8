"""The worker threads for `def` code: order, limits, AnyIO's view of them, and their end."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import importlib.util
import subprocess
import sys
import threading
import time
import traceback
import types
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest

from conftest import LOOPS
from hyperfastapi._core import Pool
from hyperfastapi._loop import new_event_loop

QUICK, SLOW, OTHER = range(3)


class Workers:
    """A pool in the running loop, with calls that can be awaited."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.pool = Pool(self.loop)

    def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Awaitable[Any]:
        """Run a function in a worker thread."""
        future: asyncio.Future[Any] = self.loop.create_future()

        def on_done(result: Any, exception: BaseException | None) -> None:
            if future.cancelled():
                return
            if exception is None:
                future.set_result(result)
            else:
                future.set_exception(exception)

        self.pool.submit(function, arguments, on_done, **options)
        return future

    async def learn_slow(self, site: int) -> None:
        """Have the pool see that a site's calls block."""
        while not self.pool.is_slow(site):
            blocked = threading.Event()
            waiting = self.call(blocked.wait, site=site)
            await self.call(int)  # behind it: it is seen to be stuck
            blocked.set()
            await waiting


Scenario = Callable[[Workers], Coroutine[Any, Any, Any]]


def threads() -> set[threading.Thread]:
    """All but AnyIO's own, which end some time after their loop."""
    return {thread for thread in threading.enumerate() if type(thread) is threading.Thread}


def run(scenario: Scenario, kind: str = "asyncio") -> Any:
    """Run a scenario with a pool; no thread and no token is left behind."""
    before = threads()

    async def main() -> Any:
        workers = Workers()
        try:
            return await scenario(workers)
        finally:
            assert workers.pool.close(timeout=10) == 0
            limiter = anyio.to_thread.current_default_thread_limiter()
            for _ in range(3):  # the task that waits for a token ends
                await asyncio.sleep(0)
            assert limiter.statistics().tasks_waiting == 0
            assert limiter.borrowed_tokens == 0

    loop = new_event_loop(kind)
    try:
        result = loop.run_until_complete(main())
    finally:
        loop.close()
    assert threads() == before
    return result


@pytest.mark.parametrize("kind", LOOPS)
def test_a_call_runs_in_a_worker_thread_and_its_result_comes_back_to_the_loop(kind: str) -> None:
    async def scenario(workers: Workers) -> None:
        thread = await workers.call(threading.current_thread)
        assert thread is not threading.current_thread()
        assert thread.name == "AnyIO worker thread"
        assert not thread.daemon

    run(scenario, kind)


def test_no_thread_is_started_before_the_first_call() -> None:
    async def scenario(_: Workers) -> None:
        assert threading.active_count() == before

    before = threading.active_count()
    run(scenario)


def test_quick_calls_run_one_after_the_other_in_the_order_of_submission() -> None:
    order: list[int] = []

    async def scenario(workers: Workers) -> None:
        await asyncio.gather(*(workers.call(order.append, i) for i in range(1000)))

    run(scenario)
    assert order == list(range(1000))


def test_a_result_comes_while_a_later_call_blocks() -> None:
    async def scenario(workers: Workers) -> None:
        blocked = threading.Event()
        first = workers.call(int)
        waiting = workers.call(blocked.wait)
        assert await first == 0
        blocked.set()
        await waiting

    run(scenario)


def test_a_call_that_blocks_does_not_hold_up_the_calls_behind_it() -> None:
    async def scenario(workers: Workers) -> None:
        blocked = threading.Event()
        waiting = workers.call(blocked.wait)
        for _ in range(100):
            assert await workers.call(int) == 0
        blocked.set()
        await waiting

    run(scenario)


def test_calls_that_wait_for_each_other_all_have_a_thread() -> None:
    async def scenario(workers: Workers) -> None:
        barrier = threading.Barrier(30)
        await asyncio.gather(*(workers.call(barrier.wait) for _ in range(30)))

    run(scenario)


def test_calls_of_a_slow_site_run_side_by_side() -> None:
    async def scenario(workers: Workers) -> None:
        await workers.learn_slow(SLOW)
        barrier = threading.Barrier(40)
        await asyncio.gather(*(workers.call(barrier.wait, site=SLOW) for _ in range(40)))

    run(scenario)


def test_a_slow_site_is_quick_again_after_many_quick_calls() -> None:
    async def scenario(workers: Workers) -> None:
        await workers.learn_slow(SLOW)
        assert workers.pool.is_slow(SLOW)
        assert not workers.pool.is_slow(OTHER)
        while workers.pool.is_slow(SLOW):
            await workers.call(int, site=SLOW)

    run(scenario)


class Gauge:
    """Counts how many calls run at once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = 0
        self.most = 0

    def hold(self, seconds: float) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        threading.Event().wait(seconds)
        with self.lock:
            self.now -= 1


def test_no_more_calls_run_at_once_than_the_limiter_has_tokens() -> None:
    gauge = Gauge()

    async def scenario(workers: Workers) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 3
        await workers.learn_slow(SLOW)
        await asyncio.gather(*(workers.call(gauge.hold, 0.001, site=SLOW) for _ in range(100)))

    run(scenario)
    assert gauge.most == 3


def test_tokens_are_shared_with_calls_of_anyio() -> None:
    gauge = Gauge()

    async def scenario(workers: Workers) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 4
        await workers.learn_slow(SLOW)
        ours = [workers.call(gauge.hold, 0.001, site=SLOW) for _ in range(100)]
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(anyio.to_thread.run_sync, gauge.hold, 0.001)
        await asyncio.gather(*ours)

    run(scenario)
    assert gauge.most == 4


def test_a_call_in_progress_is_seen_as_a_borrowed_token() -> None:
    async def scenario(workers: Workers) -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        assert await workers.call(lambda: limiter.borrowed_tokens) == 1
        assert limiter.borrowed_tokens == 0

    run(scenario)


def test_a_call_of_anyio_gets_its_turn_between_calls_of_ours() -> None:
    async def scenario(workers: Workers) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        ended = False

        async def keep_calling() -> None:
            while not ended:
                await workers.call(int)

        async with anyio.create_task_group() as group:
            for _ in range(10):
                group.start_soon(keep_calling)
            for _ in range(10):
                assert await anyio.to_thread.run_sync(int) == 0
            ended = True

    run(scenario)


def test_calls_wait_while_anyio_has_all_tokens() -> None:
    async def scenario(workers: Workers) -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 1
        release = threading.Event()
        theirs = asyncio.create_task(anyio.to_thread.run_sync(release.wait))
        while limiter.borrowed_tokens == 0:
            await asyncio.sleep(0)
        ran: list[str] = []
        ours = workers.call(ran.append, "ours")
        for _ in range(100):
            await asyncio.sleep(0)
        assert ran == []
        release.set()
        await theirs
        await ours
        assert ran == ["ours"]

    run(scenario)


def test_more_tokens_let_waiting_calls_run() -> None:
    async def scenario(workers: Workers) -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        await workers.learn_slow(SLOW)
        limiter.total_tokens = 1
        barrier = threading.Barrier(5)
        calls = [workers.call(barrier.wait, site=SLOW) for _ in range(5)]
        for _ in range(100):
            await asyncio.sleep(0)
        assert barrier.n_waiting <= 1
        limiter.total_tokens = 5
        await asyncio.gather(*calls)

    run(scenario)


def test_fewer_tokens_count_for_calls_that_begin_afterwards() -> None:
    gauge = Gauge()

    async def scenario(workers: Workers) -> None:
        await workers.learn_slow(SLOW)
        barrier = threading.Barrier(10)
        first = [workers.call(barrier.wait, site=SLOW) for _ in range(9)]
        then = [workers.call(gauge.hold, 0.001, site=SLOW) for _ in range(50)]
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2
        while barrier.n_waiting < 9:
            await asyncio.sleep(0)
        await workers.call(barrier.wait, site=SLOW, counts=False)
        await asyncio.gather(*first)
        gauge.most = 0
        more = [workers.call(gauge.hold, 0.001, site=SLOW) for _ in range(50)]
        await asyncio.gather(*then)
        gauge.most = 0
        await asyncio.gather(*more)

    run(scenario)
    assert gauge.most <= 2


def test_calls_that_do_not_count_run_while_all_tokens_are_taken() -> None:
    async def scenario(workers: Workers) -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 2
        blocked = threading.Event()
        waiting = [workers.call(blocked.wait, site=SLOW) for _ in range(5)]
        for _ in range(100):
            assert await workers.call(int, site=OTHER, counts=False) == 0
        assert limiter.borrowed_tokens <= 2
        blocked.set()
        await asyncio.gather(*waiting)

    run(scenario)


def test_from_thread_runs_coroutines_and_functions_in_the_loop() -> None:
    async def here() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    def step() -> tuple[Any, Any]:
        anyio.from_thread.check_cancelled()
        return anyio.from_thread.run(here), anyio.from_thread.run_sync(threading.current_thread)

    async def scenario(workers: Workers) -> None:
        for _ in range(3):
            assert await workers.call(step) == (workers.loop, threading.current_thread())

    run(scenario)


def test_no_asynchronous_library_runs_in_a_worker_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("sniffio") is None:  # recent releases of AnyIO do without
        sniffio = types.ModuleType("sniffio")
        sniffio.__dict__["current_async_library_cvar"] = contextvars.ContextVar("library")
        monkeypatch.setitem(sys.modules, "sniffio", sniffio)
    library = importlib.import_module("sniffio").current_async_library_cvar

    async def scenario(workers: Workers) -> None:
        library.set("asyncio")
        assert await workers.call(library.get) is None
        assert library.get() == "asyncio"

    run(scenario)


def test_no_loop_runs_in_a_worker_thread() -> None:
    async def scenario(workers: Workers) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            await workers.call(asyncio.get_running_loop)

    run(scenario)


def test_context_variables_are_copied_in_and_changes_stay_inside() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def step() -> str:
        seen = variable.get()
        variable.set("inside")
        return seen

    async def scenario(workers: Workers) -> None:
        variable.set("outside")
        assert await workers.call(step) == "outside"
        assert variable.get() == "outside"
        assert await workers.call(variable.get) == "outside"

    run(scenario)


def test_thread_locals_belong_to_the_worker() -> None:
    local = threading.local()
    ended: list[str] = []

    class Value:
        pass

    def step() -> None:
        local.value = Value()
        weakref.finalize(local.value, ended.append, "ended")

    async def scenario(workers: Workers) -> None:
        await workers.call(step)
        assert not hasattr(local, "value")

    run(scenario)
    gc.collect()
    assert ended == ["ended"]


def test_threads_have_the_trace_and_profile_functions_of_threading() -> None:
    names: list[str] = []

    def profile(frame: Any, *_: Any) -> None:
        names.append(frame.f_code.co_name)

    def profiled_step() -> None:
        pass

    async def scenario(workers: Workers) -> None:
        await workers.call(profiled_step)

    threading.setprofile(profile)
    try:
        run(scenario)
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]
    assert "profiled_step" in names


def test_an_exception_keeps_its_traceback() -> None:
    def fail() -> None:
        raise KeyError("missing")

    async def scenario(workers: Workers) -> None:
        with pytest.raises(KeyError, match="missing") as caught:
            await workers.call(fail)
        assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"

    run(scenario)


def test_an_exception_that_is_not_an_error_is_handed_over_too() -> None:
    class Stop(BaseException):
        pass

    def fail() -> None:
        raise Stop

    async def scenario(workers: Workers) -> None:
        with pytest.raises(Stop):
            await workers.call(fail)

    run(scenario)


def test_stop_iteration_becomes_the_error_that_anyio_makes_of_it() -> None:
    def stop() -> None:
        raise StopIteration(3)

    async def scenario(workers: Workers) -> None:
        with pytest.raises(RuntimeError) as theirs:
            await anyio.to_thread.run_sync(stop)
        with pytest.raises(RuntimeError) as ours:
            await workers.call(stop)
        assert str(ours.value) == str(theirs.value)
        assert isinstance(ours.value.__cause__, StopIteration)
        assert ours.value.__cause__.value == 3

    run(scenario)


def test_thousands_of_calls_from_several_sites_all_come_back() -> None:
    async def scenario(workers: Workers) -> None:
        calls = []
        for i in range(5000):
            if i % 500 == 0:
                calls.append(workers.call(threading.Event().wait, 0.002, site=SLOW))
            calls.append(workers.call(int, i, site=i % 7, counts=i % 3 > 0))
            if i % 64 == 0:
                await asyncio.sleep(0)
        assert len(await asyncio.gather(*calls)) == 5010

    run(scenario)


def compute() -> float:
    """Compute for some milliseconds; the switch interval meanwhile."""
    end = time.thread_time() + 0.005
    while time.thread_time() < end:
        sum(range(100))
    return sys.getswitchinterval()


def test_others_get_the_interpreter_lock_sooner_while_a_call_computes() -> None:
    async def scenario(workers: Workers) -> None:
        while await workers.call(compute, site=SLOW) >= before:
            pass
        assert sys.getswitchinterval() == before
        assert await workers.call(sys.getswitchinterval, site=OTHER) == before

    before = sys.getswitchinterval()
    run(scenario)


def test_a_switch_interval_that_the_application_has_made_shorter_stays() -> None:
    async def scenario(workers: Workers) -> None:
        while not workers.pool.is_slow(SLOW):
            await workers.call(compute, site=SLOW)
        sys.setswitchinterval(0.00005)
        assert await workers.call(compute, site=SLOW) == sys.getswitchinterval()

    before = sys.getswitchinterval()
    try:
        run(scenario)
    finally:
        sys.setswitchinterval(before)


def test_functions_and_results_are_released() -> None:
    class Value:
        pass

    async def scenario(workers: Workers) -> list[weakref.ref[Value]]:
        argument = Value()
        references = [weakref.ref(argument)]

        def step(_: Value) -> Value:
            result = Value()
            references.append(weakref.ref(result))
            return result

        for _ in range(10):
            await workers.call(step, argument)
        return references

    references = run(scenario)
    gc.collect()
    assert len(references) == 11
    assert [reference() for reference in references] == [None] * 11


def test_closing_waits_for_calls_in_progress() -> None:
    ended: list[bool] = []

    async def scenario(workers: Workers) -> None:
        begun = threading.Event()
        release = threading.Event()

        def step() -> None:
            begun.set()
            release.wait()
            ended.append(True)

        workers.pool.submit(step, (), lambda *_: ended.append(False))
        await workers.call(begun.wait, site=SLOW)
        threading.Timer(0.01, release.set).start()
        assert workers.pool.close(timeout=10) == 0
        assert ended == [True, False]

    run(scenario)


def test_closing_gives_up_calls_that_go_on_for_longer() -> None:
    release = threading.Event()
    results: list[str] = []

    async def main() -> int:
        workers = Workers()
        begun = threading.Event()
        workers.pool.submit(
            lambda: (begun.set(), release.wait()), (), lambda *_: results.append("done")
        )
        await workers.call(begun.wait, site=SLOW)
        return workers.pool.close(timeout=0.01)

    before = threads()
    assert asyncio.run(main()) == 1
    release.set()
    for thread in threads() - before:
        thread.join()
    assert results == []


def test_calls_that_have_not_begun_when_the_pool_is_closed_come_back_without_a_result() -> None:
    async def scenario(workers: Workers) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        begun = threading.Event()
        ran: list[int] = []
        workers.pool.submit(begun.set, (), lambda *_: None)
        waiting = [workers.call(ran.append, i) for i in range(3)]
        workers.pool.close(timeout=10)
        assert await asyncio.gather(*waiting) == [None] * 3
        assert ran == []

    run(scenario)


def test_a_call_of_a_closed_pool_is_refused() -> None:
    async def scenario(workers: Workers) -> None:
        await workers.call(int)
        workers.pool.close(timeout=10)
        with pytest.raises(ValueError, match="closed"):
            workers.call(int)

    run(scenario)


def interpreter(program: str) -> str:
    """What a program prints in an interpreter of its own, which has to end."""
    prelude = """
import asyncio, os, sys, threading, time
from hyperfastapi._core import Pool

def start(function):
    loop = asyncio.new_event_loop()
    pool = Pool(loop)
    done = []
    async def main():
        pool.submit(function, (), lambda *outcome: done.append(outcome))
        while not done:
            await asyncio.sleep(0)
    loop.run_until_complete(main())
    return loop, pool
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", prelude + program],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_the_interpreter_exits_with_a_pool_that_was_never_closed() -> None:
    assert interpreter("state = start(int); state[0].close(); print('end')") == "end\n"


def test_the_interpreter_waits_for_a_call_in_progress_when_it_exits() -> None:
    program = """
begun = threading.Event()
def step():
    begun.set()
    time.sleep(0.05)
    print('ended')
loop, pool = start(int)
async def main():
    pool.submit(step, (), print)
    while not begun.is_set():
        await asyncio.sleep(0)
loop.run_until_complete(main())
loop.close()
"""
    assert interpreter(program) == "ended\n"


def test_a_forked_process_exits_without_the_threads_of_its_parent() -> None:
    program = """
import warnings
warnings.simplefilter("ignore")
loop, pool = start(int)
child = os.fork()
if child == 0:
    sys.exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
pool.close(5)
loop.close()
"""
    assert interpreter(program) == "3\n"
