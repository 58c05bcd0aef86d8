"""Writes the pages of benchmarks and their charts from a run.

Some scenarios have pages of their own (`Scenario.page`). A run writes the pages that it has figures
for, and leaves the others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.catalogue import (
    APPLICATIONS,
    CONTENDERS,
    SCENARIOS,
    Application,
    Contender,
    Page,
)
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
"""

_OTHERS = """\
- Dependencies that yield, forms, files, streams and HTTP middleware have
  [a page of their own](benchmarks-features.md), and so have [WebSockets](benchmarks-websockets.md).
"""

_FEATURES = """\
- The floor is sent the same request here, and answers as many bytes as FastAPI's response has: it
  keeps what is posted in memory, and sends more than 64 kB as a file.
- **times less** is uvicorn's CPU time divided by ours. **the bytes'** is the part of ours that the
  floor takes: no server can have less.
- **pydantic's** is the time that its validation and serialization take of that request alone,
  without a server, in proportion to ours. Over 100 % means that we do without most of it, as
  results of plain types are written without pydantic (uvicorn's ratio to it shows its share there).
- A file is nearly all the kernel's work. An upload is what its bytes cost, more than once: they are
  received, searched for the end of their part, and moved to where the endpoint finds them; next to
  nothing of it is Python. Models that are answered (`hundred-models`) are little work for FastAPI,
  too, which does not make them first; what is left here is the bytes and the writing of their JSON.
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
- With one connection the server waits for each message: going to sleep, waking the client up and
  the rest of the kernel's work are about four fifths of hyperfastapi's and picows' time and half
  of uvicorn's, so no server comes far below the floor. hyperfastapi makes three system calls a
  message, as the floor and picows do, one to wait, one to read, one to write; uvicorn on uvloop
  makes five.
- **max us** is the longest that any message took. Where others use the machine as well, most of it
  is theirs.
- Access logs and compression are off, for all contenders.
"""


@dataclass(frozen=True)
class _About:
    """A page, its title, what explains its figures, and what its chart shows."""

    page: Page
    title: str
    explanation: str
    chart: str = "Server CPU time for each request"


_PAGES = (
    _About(Page.MAIN, "Benchmarks", _HTTP + _OTHERS),
    _About(Page.FEATURES, "Benchmarks of features of FastAPI", _HTTP + _FEATURES),
    _About(
        Page.WEBSOCKETS,
        "Benchmarks of WebSockets",
        _WEBSOCKETS,
        "Server CPU time for each message",
    ),
)


def _applications(page: Page) -> list[Application]:
    """Return those that a page may have figures of."""
    names: set[str] = set()
    for entry in SCENARIOS:
        if entry.page is page:
            names.update(entry.applications)
            if entry.beside is not None:
                names.add(entry.beside.application)
    return [entry for entry in APPLICATIONS if entry.name in names]


def _contenders(page: Page) -> list[Contender]:
    served = _applications(page)
    return [entry for entry in CONTENDERS if any(map(entry.stands_beside, served))]


def _text(about: _About, run: Run) -> str:
    """Return the page as Markdown."""
    parts = [f"# {about.title}\n", _INTRODUCTION + about.explanation]
    parts.append(f"![{about.chart}]({about.page.value}.svg)\n")
    parts.append("## Machine and versions\n")
    facts = {**run.machine, **{name: str(value) for name, value in run.settings.items()}}
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()) + "\n")
    parts.append("\n".join(f"- {name} {value}" for name, value in run.versions.items()) + "\n")
    parts.append("## Contenders and applications\n")
    for listed in (_contenders(about.page), _applications(about.page)):
        parts.append("\n".join(f"- **{entry.name}**: {entry.title}" for entry in listed) + "\n")
    for name in run.scenarios():
        if scenario(name).page is about.page:
            parts.append(f"## {scenario(name).title}\n")
            parts.append(markdown(rows(run, name)) + "\n")
    return "\n".join(parts)


def write(run: Run, directory: Path) -> list[Path]:
    """Write the pages that the run has figures for, a chart behind each; return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for about in _PAGES:
        if any(scenario(name).page is about.page for name in run.scenarios()):
            text, chart = (directory / f"{about.page.value}{suffix}" for suffix in (".md", ".svg"))
            text.write_text(_text(about, run), encoding="utf-8")
            chart.write_text(draw(run, about.page), encoding="utf-8")
            written += [text, chart]
    return written
