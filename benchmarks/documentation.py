"""Writes docs/benchmarks.md and its chart from a run."""

from __future__ import annotations

from pathlib import Path

from benchmarks.catalogue import APPLICATIONS, CONTENDERS
from benchmarks.chart import draw
from benchmarks.results import Run
from benchmarks.table import markdown, rows, scenario

_HEAD = """\
# Benchmarks

This page and its chart are written by `python -m benchmarks --docs`; do not
edit them by hand. Run `make bench` to get the figures of your own machine.

Numbers from different machines, or from the same machine on different days, say little. So all
contenders run side by side: one round measures each of them once, the next round again, and what
counts is the ratio of two figures *of the same round*. Tables show the median over all rounds and,
in parentheses, the least and the most.

- The server runs on one processor, the load generator on another. Both are on the same machine and
  talk over loopback, so no network card or real network is in these figures.
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

![Server CPU time for each request](benchmarks.svg)
"""


def page(run: Run) -> str:
    """Return the page as Markdown."""
    parts = [_HEAD, "## Machine and versions\n"]
    facts = {**run.machine, **{name: str(value) for name, value in run.settings.items()}}
    parts.append("\n".join(f"- {name}: {value}" for name, value in facts.items()) + "\n")
    parts.append("\n".join(f"- {name} {value}" for name, value in run.versions.items()) + "\n")
    parts.append("## Contenders and applications\n")
    parts.append("\n".join(f"- **{entry.name}**: {entry.title}" for entry in CONTENDERS) + "\n")
    parts.append("\n".join(f"- **{entry.name}**: {entry.title}" for entry in APPLICATIONS) + "\n")
    for name in run.scenarios():
        parts.append(f"## {scenario(name).title}\n")
        parts.append(markdown(rows(run, name)) + "\n")
    return "\n".join(parts)


def write(run: Run, directory: Path) -> list[Path]:
    """Write page and chart into a directory, and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    written = [directory / "benchmarks.md", directory / "benchmarks.svg"]
    written[0].write_text(page(run), encoding="utf-8")
    written[1].write_text(draw(run), encoding="utf-8")
    return written
