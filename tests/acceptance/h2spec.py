"""h2spec's findings about HTTP/2."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

_KNOWN = ("http2/3.5", "Sends invalid connection preface")
"""Without TLS, other bytes than the preface are a request of HTTP/1.1: its sender gets a 400 before
the connection is closed (RFC 9113 3.4: no GOAWAY, the peer does not use HTTP/2)."""


def judge(port: int, program: str, directory: Path, *, tls: bool) -> int:
    """Run every test, the strict ones too.

    Args:
        port: the server's, on 127.0.0.1.
        program: the path of h2spec.
        directory: where its report goes.
        tls: whether the server speaks TLS.

    Returns:
        An exit status: 1 where a test has failed that is not known to, or none was run.
    """
    report = directory / "h2spec.xml"
    command = [program, "--strict", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--junit-report", str(report), *(["--tls", "--insecure"] if tls else [])]
    subprocess.run(command, check=False, timeout=300)
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = [
        (case.get("package", ""), case.get("classname", ""))
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    ]
    for section, what in failed:
        known = "known" if (section, what) == _KNOWN and not tls else "FAILED"
        print(f"{known}: {section} {what}")
    unknown = [case for case in failed if tls or case != _KNOWN]
    return 1 if unknown or not cases else 0
