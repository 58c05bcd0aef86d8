"""``python -m benchmarks.json_codec``: JSON out and in, beside the standard library and others.

Prints the nanoseconds of processor time of one call, the least of some interleaved rounds, and the
ratio of ours to orjson's. orjson and msgspec are measured where they are installed. Values are
encoded again and again: orjson keeps the UTF-8 of a str that is not ASCII and finds it again, which
it would not for the str of another request.
"""

from __future__ import annotations

import importlib
import json
import random
import time
from collections.abc import Callable
from typing import Any

from fastapi.encoders import jsonable_encoder

from hyperfastapi import _core

_ROUNDS = 15
_ROUND_NS = 4_000_000

_Function = Callable[[Any], Any]


def payloads() -> dict[str, Any]:
    """What to encode, by name: from the least response to a page of records."""
    random.seed(7)
    record = {
        "id": 123456,
        "name": "Ada Lovelace",
        "email": "ada@example.com",
        "is_active": True,
        "balance": 1834.56,
        "tags": ["admin", "staff", "early"],
        "address": {"street": "12 St James's Square", "city": "London", "zip": None},
    }
    return {
        "hello": {"message": "Hello World"},
        "record": record,
        "100 records": [record | {"id": number} for number in range(100)],
        "1000 integers": [random.randrange(10 ** random.randrange(1, 10)) for _ in range(1000)],
        "1000 floats": [random.random() * 180 for _ in range(1000)],
        "1000 prices": [random.randrange(1_000_000) / 100 for _ in range(1000)],
        "text, ASCII": {"text": "The quick brown fox jumps over the lazy dog, twice. " * 40},
        "text, escapes": {"text": 'He said: "no".\n' * 100},
        "text, French": {"text": "Ça a été déjà vu à l'école, où l'on naît bête. " * 40},
        "text, Japanese": {"text": "いろはにほへと、ちりぬるを。" * 40},
    }


def encoders() -> dict[str, _Function]:
    """Functions from a value to JSON bytes, by name."""

    def ours(value: Any) -> bytes:
        return _core.json_encode_response(value, jsonable_encoder)

    def standard(value: Any) -> bytes:
        return json.dumps(
            value, ensure_ascii=False, allow_nan=False, indent=None, separators=(",", ":")
        ).encode("utf-8")

    functions: dict[str, _Function] = {"ours": _core.json_dumps, "ours, response": ours}
    functions |= {"json": standard}
    functions |= _others("dumps", "encode")
    return functions


def decoders() -> dict[str, _Function]:
    """Functions from JSON bytes to a value, by name."""
    return {"ours": _core.json_loads, "json": json.loads, **_others("loads", "decode")}


def _others(orjson_name: str, msgspec_name: str) -> dict[str, _Function]:
    functions: dict[str, _Function] = {}
    for module, name in (("orjson", orjson_name), ("msgspec.json", msgspec_name)):
        try:
            functions[module.partition(".")[0]] = getattr(importlib.import_module(module), name)
        except ImportError:
            print(f"{module} is not installed")
    return functions


def _spent(function: _Function, value: Any, calls: int) -> int:
    start = time.thread_time_ns()
    for _ in range(calls):
        function(value)
    return time.thread_time_ns() - start


def _measure(functions: dict[str, _Function], document: bytes, *, text: bool) -> dict[str, float]:
    # A value of its own for each: some keep a str's UTF-8 with it.
    values = {name: document if text else json.loads(document) for name in functions}
    calls = {}
    for name, function in functions.items():
        spent = min(_spent(function, values[name], 3) for _ in range(5)) // 3
        calls[name] = max(1, _ROUND_NS // max(1, spent))
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(_ROUNDS):
        for name, function in functions.items():
            spent_each = _spent(function, values[name], calls[name]) / calls[name]
            best[name] = min(best[name], spent_each)
    return best


def _report(title: str, functions: dict[str, _Function], *, text: bool) -> None:
    print(f"\n{title + ', ns':16}" + "".join(f"{name:>16}" for name in functions), end="")
    print(f"{'ours/orjson':>14}" if "orjson" in functions else "")
    for payload, value in payloads().items():
        best = _measure(functions, _core.json_dumps(value), text=text)
        print(f"{payload:16}" + "".join(f"{spent:16,.0f}" for spent in best.values()), end="")
        print(f"{best['ours'] / best['orjson']:14.2f}" if "orjson" in functions else "", flush=True)


def main() -> None:
    """Measure all functions on all payloads and print a table for each direction."""
    _report("encode", encoders(), text=False)
    _report("decode", decoders(), text=True)


if __name__ == "__main__":
    main()
