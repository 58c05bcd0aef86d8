"""HTTPS: certificates and names, versions, sessions, client certificates, and renewal."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from served_process import BOUND, Run, ServedProcess
from wire_client import Connection, get

from tests.protocols.tls_files import Authority

TLS_1_3 = 0x0304


@pytest.fixture
def authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture
def flags(authority: Authority) -> list[str]:
    """The command's flags for a server named localhost."""
    cert, key = authority.issue("localhost")
    return ["main:app", "--tls-cert", str(cert), "--tls-key", str(key)]


def common_names(certificate: ssl.SSLSocket) -> list[str]:
    return [value for kind, value in (certificate.getpeercert() or {})["subjectAltName"] if kind]


def test_requests_are_served_over_tls(serve: Run, authority: Authority, flags: list[str]) -> None:
    shown = get(serve(*flags).port, "/", tls=authority.client()).json()
    assert (shown["scheme"], shown["http_version"]) == ("https", "1.1")


def test_one_connection_serves_many_requests(
    serve: Run, authority: Authority, flags: list[str]
) -> None:
    with Connection(serve(*flags).port, tls=authority.client()) as connection:
        for target in ("/a", "/b"):
            connection.request(target)
            assert connection.answer().json()["path"] == target


def test_large_bodies_pass_both_ways(serve: Run, authority: Authority, flags: list[str]) -> None:
    body = os.urandom(3_000_000)
    with Connection(serve(*flags).port, tls=authority.client()) as connection:
        connection.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3000000\r\n\r\n" + body)
        assert connection.answer().body == body


def test_application_is_told_of_the_tls(
    serve: Run, authority: Authority, flags: list[str], directory: Path
) -> None:
    tls = get(serve(*flags).port, "/", tls=authority.client()).json()["tls"]
    assert tls["server_cert"] == (directory / "localhost.crt").read_text()
    assert tls["tls_version"] == TLS_1_3
    assert tls["cipher_suite"] == 0x1301
    assert (tls["client_cert_chain"], tls["client_cert_name"]) == ([], None)


def test_name_that_the_client_asks_for_chooses_the_certificate(
    serve: Run, authority: Authority
) -> None:
    flags: list[str] = []
    for name in ("localhost", "one.test", "two.test"):
        cert, key = authority.issue(name)
        flags += ["--tls-cert", str(cert), "--tls-key", str(key)]
    port = serve("main:app", *flags).port
    for name in ("one.test", "two.test", "localhost"):
        with Connection(port, tls=authority.client(), name=name) as connection:
            assert common_names(connection.tls) == [name]
            connection.request()
            assert connection.answer().status == 200


def test_client_without_a_known_name_gets_the_first_certificate(
    serve: Run, authority: Authority, flags: list[str]
) -> None:
    cert, key = authority.issue("other.test")
    port = serve(*flags, "--tls-cert", str(cert), "--tls-key", str(key)).port
    context = authority.client()
    context.check_hostname = False
    with Connection(port, tls=context, name="unknown.test") as connection:
        assert common_names(connection.tls) == ["localhost"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_session_of_one_worker_is_resumed_by_all(
    serve: Run, authority: Authority, flags: list[str], version: ssl.TLSVersion
) -> None:
    port = serve(*flags, "--workers", "2").port
    context = authority.client()
    context.minimum_version = context.maximum_version = version
    with Connection(port, tls=context) as first:
        first.request()
        first.answer()  # with TLS 1.3 the tickets come along with it
        session = first.tls.session
    pids = set()
    for _ in range(50):
        with Connection(port, tls=context, session=session) as again:
            assert again.tls.session_reused
            again.request()
            pids.add(again.answer().json()["pid"])
        if len(pids) == 2:
            break
    assert len(pids) == 2


def test_lowest_version_can_be_raised(serve: Run, authority: Authority, flags: list[str]) -> None:
    port = serve(*flags, "--tls-min-version", "1.3").port
    context = authority.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"protocol version|PROTOCOL_VERSION"):
        Connection(port, tls=context)
    assert get(port, tls=authority.client()).status == 200


def test_ciphers_and_groups_can_be_chosen(
    serve: Run, authority: Authority, flags: list[str]
) -> None:
    suite = "TLS_CHACHA20_POLY1305_SHA256"
    port = serve(*flags, "--tls-ciphersuites", suite, "--tls-groups", "P-384").port
    with Connection(port, tls=authority.client()) as connection:
        cipher = connection.tls.cipher()
        assert cipher is not None and cipher[0] == suite
    context = authority.client()
    context.set_ecdh_curve("prime256v1")
    with pytest.raises(ssl.SSLError):
        Connection(port, tls=context)


def test_encrypted_key_is_opened_with_its_password(serve: Run, authority: Authority) -> None:
    cert, key = authority.issue("localhost")
    encrypt(key, b"secret")
    server = serve(
        "main:app", "--tls-cert", str(cert), "--tls-key", str(key),
        HYPERFASTAPI_TLS_KEY_PASSWORD="secret",
    )  # fmt: skip
    assert get(server.port, tls=authority.client()).status == 200


def encrypt(key: Path, password: bytes) -> None:
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )
    )


def test_client_certificate_is_asked_for_and_shown(
    serve: Run, authority: Authority, flags: list[str]
) -> None:
    port = serve(*flags, "--tls-client-ca", str(authority.cert)).port
    identity = authority.issue("client@a.test", file="client", common_name="Zoë Example")
    tls = get(port, tls=authority.client(*identity)).json()["tls"]
    assert tls["client_cert_chain"][0] == identity[0].read_text()
    assert "CN=Zoë Example" in tls["client_cert_name"]
    with pytest.raises((ssl.SSLError, AssertionError, ConnectionError)):
        get(port, tls=authority.client())


def test_client_certificate_can_be_optional(
    serve: Run, authority: Authority, flags: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    port = serve(
        *flags, "--tls-client-ca", str(authority.cert), "--tls-client-auth", "optional"
    ).port
    assert get(port, tls=authority.client()).json()["tls"]["client_cert_name"] is None
    stranger = Authority(tmp_path_factory.mktemp("stranger")).issue("x@a.test", file="x")
    with pytest.raises((ssl.SSLError, AssertionError, ConnectionError)):
        get(port, tls=authority.client(*stranger))


def test_plain_http_is_answered_with_400(serve: Run, flags: list[str]) -> None:
    answer = get(serve(*flags).port)
    assert answer.status == 400
    assert answer.body == b"This port speaks HTTPS, and the request came in plain HTTP."


def test_client_that_offers_no_protocol_of_ours_is_refused(
    serve: Run, authority: Authority, flags: list[str]
) -> None:
    with pytest.raises(ssl.SSLError):
        Connection(serve(*flags).port, tls=authority.client(alpn=("spdy/1",)))


def test_handshake_that_does_not_come_is_given_up(serve: Run, flags: list[str]) -> None:
    port = serve(*flags, "--timeout-handshake", "0.2").port
    with socket.create_connection(("127.0.0.1", port), BOUND) as silent:
        assert silent.recv(1) == b""


@pytest.mark.parametrize("way", ["signal", "files"])
def test_renewed_certificate_is_served_and_connections_stay(
    serve: Run, authority: Authority, flags: list[str], way: str
) -> None:
    interval = "none" if way == "signal" else "0.05"
    server = serve(*flags, "--tls-reload-interval", interval)
    with Connection(server.port, tls=authority.client()) as connection:
        before = connection.tls.getpeercert()
        authority.issue("localhost")
        if way == "signal":
            server.send_signal(signal.SIGHUP)
        server.wait_for_log("TLS certificates loaded again")
        connection.request()
        assert connection.answer().status == 200
    with Connection(server.port, tls=authority.client()) as renewed:
        assert renewed.tls.getpeercert() != before


SLOW_START = """
import asyncio
import main


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("starting", flush=True)
        while not {}:
            await asyncio.sleep(0.01)
        await send({{"type": "lifespan.startup.complete"}})
        await receive()
        print("ending", flush=True)
        while not {}:
            await asyncio.sleep(0.01)
        await send({{"type": "lifespan.shutdown.complete"}})
    else:
        await main.app(scope, receive, send)
"""


def test_hangup_before_the_start_and_after_the_end_is_outlived(
    run: Run, authority: Authority, flags: list[str], directory: Path
) -> None:
    started, ended = directory / "started", directory / "ended"
    exists = [f"__import__('os').path.exists({str(path)!r})" for path in (started, ended)]
    (directory / "slow.py").write_text(SLOW_START.format(*exists))
    server = run("slow:app", *flags[1:])
    server.wait_for_output("^starting")
    server.send_signal(signal.SIGHUP)
    started.touch()
    server.wait_until_running()
    assert get(server.port, tls=authority.client()).status == 200
    server.send_signal(signal.SIGTERM)
    server.wait_for_output("^ending")
    server.send_signal(signal.SIGHUP)
    ended.touch()
    assert server.wait() == -signal.SIGTERM
    assert "Application shutdown complete." in server.log


def test_broken_renewal_leaves_what_was(
    serve: Run, authority: Authority, flags: list[str], directory: Path
) -> None:
    server = serve(*flags, "--tls-reload-interval", "none")
    (directory / "localhost.key").write_text("nothing")
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(r"stay as they were: private key '.*localhost\.key' holds no private key")
    assert get(server.port, tls=authority.client()).status == 200


def fails_with(process: ServedProcess, message: str) -> None:
    process.wait_for_log(message)
    assert process.wait() == 3


def test_start_fails_over_a_certificate_that_is_missing(run: Run, flags: list[str]) -> None:
    flags[2] = "missing.pem"
    fails_with(run(*flags), r"certificate 'missing\.pem': No such file or directory")


def test_start_fails_over_a_file_without_a_certificate(run: Run) -> None:
    fails_with(
        run("main:app", "--tls-cert", "main.py"),
        r"certificate 'main\.py' holds no usable certificate",
    )


def test_start_fails_over_a_key_that_is_not_the_certificates(
    run: Run, authority: Authority, flags: list[str]
) -> None:
    flags[4] = str(authority.issue("other.test")[1])
    fails_with(run(*flags), r"key '.*other\.test\.key' does not belong to the certificate '.*crt'")


@pytest.mark.parametrize(
    ("password", "message"),
    [(None, "is encrypted and no password is given"), ("wrong", "cannot be decrypted")],
)
def test_start_fails_over_a_key_that_stays_closed(
    run: Run, flags: list[str], password: str | None, message: str
) -> None:
    encrypt(Path(flags[4]), b"secret")
    fails_with(
        run(*flags, HYPERFASTAPI_TLS_KEY_PASSWORD=password), rf"key '.*localhost\.key' {message}"
    )


def test_start_fails_over_ciphers_that_openssl_does_not_know(run: Run, flags: list[str]) -> None:
    fails_with(run(*flags, "--tls-ciphers", "ROT13"), "ciphers 'ROT13'")
