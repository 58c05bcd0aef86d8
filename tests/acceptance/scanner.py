"""sslyze's findings about the server's TLS."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .served import Served

_OLD = ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1")
_WEAK = ("CBC", "RC4", "DES", "NULL", "EXPORT", "anon", "MD5", "TLS_RSA_")
_CHECKS = (
    *("--sslv2", "--sslv3", "--tlsv1", "--tlsv1_1", "--tlsv1_2", "--tlsv1_3", "--early_data"),
    *("--reneg", "--compression", "--heartbleed", "--openssl_ccs", "--robot"),
)


def scan(served: Served, program: str, directory: Path) -> int:
    """Scan a server and print what is weak.

    Args:
        served: the server, with TLS.
        program: the path of sslyze.
        directory: where its report goes.

    Returns:
        An exit status: 1 where something is weak.
    """
    report = directory / "sslyze.json"
    target = f"localhost:{served.port}"
    command = [program, *_CHECKS, "--mozilla_config=disable", f"--json_out={report}", target]
    subprocess.run(command, check=False, timeout=300, stdout=subprocess.DEVNULL)
    [result] = json.loads(report.read_text())["server_scan_results"]
    found = list(_weaknesses(result["scan_result"]))
    for weakness in found:
        print(f"WEAK {weakness}")
    print(f"{len(found)} findings")
    return 1 if found else 0


def _weaknesses(scan: dict[str, Any]) -> Iterator[str]:
    for version in (*_OLD, "tls_1_2", "tls_1_3"):
        suites = scan[f"{version}_cipher_suites"]["result"]["accepted_cipher_suites"]
        names = [suite["cipher_suite"]["name"] for suite in suites]
        print(f"{version}: {', '.join(names) or 'refused'}")
        if names and version in _OLD:
            yield f"{version} is spoken"
        for name in names:
            if any(part in name for part in _WEAK):
                yield f"{version} {name}"
    renegotiation = scan["session_renegotiation"]["result"]
    if renegotiation["is_vulnerable_to_client_renegotiation_dos"]:
        yield "a client may renegotiate"
    if not renegotiation["supports_secure_renegotiation"]:
        yield "no secure renegotiation"
    if scan["tls_compression"]["result"]["supports_compression"]:
        yield "compression"
    if scan["heartbleed"]["result"]["is_vulnerable_to_heartbleed"]:
        yield "Heartbleed"
    if scan["openssl_ccs_injection"]["result"]["is_vulnerable_to_ccs_injection"]:
        yield "CCS injection"
    if scan["robot"]["result"]["robot_result"] not in (
        "NOT_VULNERABLE_NO_ORACLE",
        "NOT_VULNERABLE_RSA_NOT_SUPPORTED",
    ):
        yield "ROBOT"
    if scan["tls_1_3_early_data"]["result"]["supports_early_data"]:
        yield "early data"
