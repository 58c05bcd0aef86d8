"""Writes docs/settings.md from the settings themselves.

python tools/settings_reference.py            writes the file
python tools/settings_reference.py --check    exits with 1, naming the remedy, if it is out of date
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from hyperfastapi import _config

PATH = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

INTRODUCTION = """\
# Settings

<!-- Written by tools/settings_reference.py: change python/hyperfastapi/_config.py instead. -->

Each setting is a flag of `hyperfastapi run`, an environment variable and, unless it says otherwise,
a parameter of `run_native`: `--limit-head-size`, `HYPERFASTAPI_LIMIT_HEAD_SIZE`, `limit_head_size`.
A flag without a value has an opposite: `--access-log`, `--no-access-log`.
"""


def shown(name: str, default: object) -> str:
    """The default of the setting `name` as a user would write it."""
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return "on" if default else "off"
    if name == "uds_mode" and isinstance(default, int):
        return f"`{default:o}`"
    if isinstance(default, tuple):
        return f"`{','.join(map(str, default))}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{default}`" if default != "" else "empty"


def reference() -> str:
    """The text of docs/settings.md."""
    defaults = _config.Config()
    parts = [INTRODUCTION]
    for group in _config.GROUPS:
        parts.append(f"## {group}\n")
        for name, setting in _config.SETTINGS.items():
            if setting.group != group:
                continue
            where = "Only for the command." if setting.command_only else ""
            text = " ".join(filter(None, (setting.help, setting.why, where)))
            body = textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
            default = shown(name, getattr(defaults, name))
            parts.append(f"**`{_config.flag_of(name)}`**, default {default}  \n{body}\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Run the command; returns its exit status."""
    text = reference()
    if arguments == ["--check"]:
        if PATH.exists() and PATH.read_text() == text:
            return 0
        print(f"{PATH.name} is out of date: run python {sys.argv[0]}", file=sys.stderr)
        return 1
    PATH.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
