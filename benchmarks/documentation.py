"""Writes the pages of benchmarks and their charts from a run.

WebSockets have a page of their own. A run writes the pages that it has figures for, and leaves the
others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.catalogue import APPLICATIONS, BY_HTTP, CONTENDERS, Kind
from benchmarks.chart import draw
from benchmarks.results import Run
from benchmarks.table import markdown, rows, scenario

_INTRODUCTION = """\
This page and its chart are written by `python -m benchmarks --docs`; do not
edit them by hand. Run `make bench` to get the figures of your own machine.

Numbers from different machines, or from the same machine on different days, say little. So all
contenders run side by side: one round measures each of them once, the next round again, and what
counts is the ratio of two figures *of the same round*. Tables show the median over all rounds and,
in parentheses, the least and the most.

- The server runs on one processor, the load generator on another. Both are on the same machine and
  talk over loopback, so no network card or real network is in these figures.
"""

_HTTP = """\
- **CPU us/request** is the processor time, user and system, that all of the server's processes and
  threads used in the measured interval, as the kernel accounts it, divided by the requests answered
  in it. It is the figure to trust: unlike requests/s it hardly depends on what else the machine
  does.
- **CPU / floor** is its ratio to `benchmarks/floor.c`, a bare epoll loop that sends canned bytes
  and knows no HTTP: about what the kernel takes for moving the same bytes. **CPU / uvicorn** is its
  ratio to uvicorn serving the same application: 0.50 is half of uvicorn's processor time.
- Every answer is checked: status, framing, length and the bytes of the body. A contender with a
  wrong or missing answer in a round has no figure for that round.
- Latency is measured by the load generator. Where all connections send as fast as they are
  answered, the latency follows from the throughput; the scenario with a fixed schedule (an open
  loop, where latency counts from the time that a request was due) compares it at equal load.
- Where a slow application is loaded at the same time, both are first measured alone: **of its rate
  alone** is the part of it that the fast one keeps, and the last column is what the slow one gets
  of the rate that its waiting or computing alone allows.
- Where nothing is pinned, **CPU / pinned** is the ratio to the median of the pinned scenario.
- A pipelining connection sends its requests together, and the next ones when all are answered.
- Access logs are off, for all contenders.
- WebSockets have [a page of their own](benchmarks-websockets.md).
"""

_WEBSOCKETS = """\
- Each connection sends a text message, masked as the client's have to be, and the next one when the
  message has come back whole. The application is FastAPI's: `receive_text()` and `send_text()`.
- **CPU us/message** is the processor time, user and system, that all of the server's processes and
  threads used in the measured interval, divided by the messages that came back in it.
- **CPU / floor** is its ratio to `benchmarks/floor.c`, a bare epoll loop that takes the mask off
  and sends the frame back: about what the kernel takes for moving the same bytes. **CPU / uvicorn**
  and **CPU / picows** are the ratios to uvicorn with the same application, and to a listener of
  picows without any.
- With one connection the server waits for each message: going to sleep and waking the client up are
  most of every contender's time, and no server can have less than the floor. hyperfastapi makes
  three system calls a message, as the floor does: one to wait, one to read, one to write.
- **max us** is the longest that any message took. Where others use the machine as well, most of it
  is theirs.
- Access logs and compression are off, for all contenders.
"""


@dataclass(frozen=True)
class _Page:
    """A page: its file's name without a suffix, its title, what explains its figures."""

    name: str
    title: str
    explanation: str
    chart: str
    kinds: frozenset[Kind]


_PAGES = (
    _Page("benchmarks", "Benchmarks", _HTTP, "Server CPU time for each request", BY_HTTP),
    _Page(
        "benchmarks-websockets",
        "Benchmarks of WebSockets",
        _WEBSOCKETS,
        "Server CPU time for each message",
        frozenset({Kind.WEBSOCKET}),
    ),
)


def _is_on(about: _Page, name: str) -> bool:
    return scenario(name).is_websocket is (Kind.WEBSOCKET in about.kinds)


def _text(about: _Page, run: Run) -> str:
    """Return the page as Markdown."""
    parts = [f"# {about.title}\n", _INTRODUCTION + about.explanation]
    parts.append(f"![{about.chart}]({about.name}.svg)\n")
    parts.append("## Machine and versions\n")
    facts = {**run.machine, **{name: str(value) for name, value in run.settings.items()}}
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()) + "\n")
    parts.append("\n".join(f"- {name} {value}" for name, value in run.versions.items()) + "\n")
    parts.append("## Contenders and applications\n")
    contenders = [entry for entry in CONTENDERS if entry.kinds & about.kinds]
    applications = [entry for entry in APPLICATIONS if entry.kind in about.kinds]
    parts.append("\n".join(f"- **{entry.name}**: {entry.title}" for entry in contenders) + "\n")
    parts.append("\n".join(f"- **{entry.name}**: {entry.title}" for entry in applications) + "\n")
    for name in run.scenarios():
        if _is_on(about, name):
            parts.append(f"## {scenario(name).title}\n")
            parts.append(markdown(rows(run, name)) + "\n")
    return "\n".join(parts)


def write(run: Run, directory: Path) -> list[Path]:
    """Write the pages that the run has figures for, a chart behind each; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for about in _PAGES:
        if any(_is_on(about, name) for name in run.scenarios()):
            page, chart = (directory / f"{about.name}{suffix}" for suffix in (".md", ".svg"))
            page.write_text(_text(about, run), encoding="utf-8")
            chart.write_text(draw(run, Kind.WEBSOCKET in about.kinds), encoding="utf-8")
            written += [page, chart]
    return written
