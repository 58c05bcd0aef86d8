"""``python -m benchmarks``: measure all contenders, print tables, keep the figures as JSON."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import datetime
from pathlib import Path

from benchmarks import documentation, machine, native_build, rounds, table
from benchmarks.catalogue import APPLICATIONS, CONTENDERS, SCENARIOS
from benchmarks.results import Run
from benchmarks.server_process import CHECKOUT

RESULTS = CHECKOUT / "benchmarks" / "results"


def _cpus(text: str) -> tuple[int, ...]:
    try:
        wanted = {int(part) for part in text.split(",")}
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers such as 0 or 0,2") from None
    missing = wanted - os.sched_getaffinity(0)
    if missing:
        usable = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise argparse.ArgumentTypeError(
            f"{text!r}: processor {min(missing)} can't be used here; usable: {usable}"
        )
    return tuple(sorted(wanted))


def _names(text: str) -> list[str]:
    known = {entry.name for entry in SCENARIOS}
    known |= {entry.name for entry in APPLICATIONS} | {entry.name for entry in CONTENDERS}
    names = [name for name in text.split(",") if name]
    for name in names:
        for part in name.strip("/").split("/"):
            if part not in known:
                raise argparse.ArgumentTypeError(f"{part!r}: no such name; --list shows them")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a few scenarios, 2 short rounds")
    add(
        "--only",
        action="extend",
        type=_names,
        default=[],
        metavar="NAMES",
        help="only what these names, separated by commas, select, and what their ratios refer to: "
        "a scenario, an application (in its first scenario), a contender, or neighbours of these "
        "with slashes (unpinned/async, plain/granian)",
    )
    add("--rounds", type=int, metavar="N", help="rounds (default 3; 10 where not pinned)")
    add(
        "--seconds",
        "--duration",
        dest="duration",
        type=float,
        metavar="SECONDS",
        help="length of a measurement (default 2)",
    )
    add("--warmup", type=float, metavar="SECONDS", help="load before each (default 0.5)")
    add(
        "--server-cpus",
        type=_cpus,
        metavar="LIST",
        help="processors for servers (default: the first usable one)",
    )
    add(
        "--load-cpus",
        type=_cpus,
        metavar="LIST",
        help="processors for the load generator (default: the second usable one)",
    )
    add("--spin", action="store_true", help="let the load generator poll without sleeping")
    add(
        "--build-dir",
        type=Path,
        metavar="DIRECTORY",
        help="C programs built before by meson (default: build them in build/bench)",
    )
    add(
        "--docs",
        action="store_true",
        help="write the pages in docs/ that the figures are for, and their charts, too",
    )
    add(
        "--from",
        dest="saved",
        type=Path,
        metavar="FILE",
        help="show a saved run again instead of measuring",
    )
    add("--list", action="store_true", help="list the cells and measure nothing")
    return parser


def _measure(arguments: argparse.Namespace) -> Run:
    usable = sorted(os.sched_getaffinity(0))
    server_cpus = arguments.server_cpus or (usable[0],)
    load_cpus = arguments.load_cpus or (usable[-1] if len(usable) < 2 else usable[1],)
    if set(server_cpus) & set(load_cpus):
        print(
            "benchmarks: server and load share a processor: the figures will be poor",
            file=sys.stderr,
        )
    settings = rounds.Settings(
        build=arguments.build_dir or native_build.build(),
        rounds=arguments.rounds or (2 if arguments.quick else None),
        warmup=arguments.warmup if arguments.warmup is not None else 0.5,
        duration=arguments.duration or (1.0 if arguments.quick else 2.0),
        server_cpus=server_cpus,
        load_cpus=load_cpus,
        all_cpus=tuple(usable),
        spin=arguments.spin,
        quick=arguments.quick,
        only=tuple(arguments.only),
    )
    described = machine.describe(server_cpus, load_cpus)
    began = time.monotonic()
    cells = rounds.run(settings)
    shown = {
        "rounds": settings.rounds or "3, of the scenario that is not pinned 10",
        "seconds a measurement": settings.duration,
        "load generator polls without sleeping": "yes" if settings.spin else "no",
        "minutes in all": round((time.monotonic() - began) / 60, 1),
    }
    return Run(described, machine.versions(), shown, cells)


def main() -> int:
    """Run the command; returns its exit status: 1 where nothing could be measured."""
    arguments = _parser().parse_args()
    if arguments.list:
        for scenario in SCENARIOS:
            for plan in rounds.plans(scenario, tuple(arguments.only)):
                if scenario.quick or not arguments.quick:
                    print(f"{scenario.name}/{plan.application.name}/{plan.contender.name}")
        return 0
    if arguments.saved is not None:
        run = Run.load(arguments.saved)
    else:
        try:
            run = _measure(arguments)
        except native_build.BuildFailed as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 1
        path = RESULTS / f"{datetime.now():%Y-%m-%d-%H%M%S}.json"
        run.save(path)
        print(f"saved as {path.relative_to(CHECKOUT)}\n", file=sys.stderr)
    print(table.report(run))
    if arguments.docs:
        for written in documentation.write(run, CHECKOUT / "docs"):
            print(f"wrote {written.relative_to(CHECKOUT)}", file=sys.stderr)
    return 0 if any(cell.good() for cell in run.cells) else 1


if __name__ == "__main__":
    sys.exit(main())
