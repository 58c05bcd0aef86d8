"""Every client line of docs/protocols.md, against the servers that it names."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from served_process import BOUND, Run

from tests.protocols.tls_files import Authority

_DOCUMENT = Path(__file__).parents[2] / "docs" / "protocols.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SERVER = re.compile(r"^    hyperfastapi run main:app --port (\d+)(.*)$", re.MULTILINE)


def documented_lines() -> list[tuple[str, str]]:
    """Each command and what its output has to have."""
    lines = [line for block in _BLOCK.findall(_DOCUMENT.read_text()) for line in block.splitlines()]
    return [(command.strip(), expected) for command, expected in (x.split("  # ") for x in lines)]


@pytest.fixture
def files(directory: Path) -> Path:
    """The files that the document speaks of."""
    authority = Authority(directory)
    for name, file in (("localhost", "server"), ("client@a.test", "client")):
        authority.issue(name, file=file)
    shutil.copy(directory / "server.crt", directory / "cert.pem")
    shutil.copy(directory / "server.key", directory / "key.pem")
    shutil.copy(directory / "client.crt", directory / "client.pem")
    return directory


def test_document_has_lines_for_each_client() -> None:
    commands = {command.split()[0] for command, _ in documented_lines()}
    assert commands == {"curl", "nghttp", "h2load", "openssl"}


@pytest.mark.parametrize(("command", "expected"), documented_lines())
def test_documented_line_works(serve: Run, files: Path, command: str, expected: str) -> None:
    servers = dict(_SERVER.findall(_DOCUMENT.read_text()))
    found = re.search(r":(\d{4})\b", command)
    assert found is not None and found[1] in servers
    port = serve("main:app", *servers[found[1]].split()).port
    # What is loaded into our processes, as a sanitizer is, is none of theirs.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(
        ["sh", "-c", command.replace(f":{found[1]}", f":{port}")],
        cwd=files,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=BOUND,
    )
    assert expected in done.stdout + done.stderr
