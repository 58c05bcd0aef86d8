"""The settings of a server: one frozen object, validated once.

Each field of `Config` says what it means, in which unit, and why its default is what it is; the
command's flags, its `--help`, the `HYPERFASTAPI_*` variables and `run_native()` are made from that.
Names and meanings are uvicorn's wherever uvicorn has the setting.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import _setting_kinds as kinds

ENVIRONMENT_PREFIX = "HYPERFASTAPI_"
SERVER_NAME = b"hyperfastapi"

# Variables that other servers and platforms use for a setting; ours comes first.
OTHER_VARIABLES = {"workers": "WEB_CONCURRENCY", "forwarded_allow_ips": "FORWARDED_ALLOW_IPS"}


class ConfigError(ValueError):
    """A setting is unknown, or its value can't be used.

    Attributes:
        setting: the name of the setting, as `Config` has it.
        problem: what is wrong and what to do.
        value: the value that was refused, as it was given; absent for an unknown setting.
    """

    def __init__(self, setting: str, problem: str, *value: object) -> None:
        shown = f"{setting}={value[0]!r}" if value else setting
        super().__init__(f"{shown}: {problem}")
        self.setting = setting
        self.problem = problem
        self.value = value


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of one field of `Config` besides its name and type.

    Attributes:
        kind: the values it takes.
        group: the heading under which `--help` lists it.
        help: what it does, with its unit.
        why: the reason for the default; in the documentation, not in `--help`.
        flag: the command's flag where it isn't the name with hyphens.
        command_only: whether it has a meaning for the command alone, not for `run_native()`.
    """

    kind: kinds.Kind
    group: str
    help: str
    why: str
    flag: str
    command_only: bool


def _setting(
    default: Any,
    kind: kinds.Kind,
    group: str,
    help: str,  # noqa: A002
    *,
    why: str = "",
    flag: str = "",
    command_only: bool = False,
) -> Any:
    setting = Setting(kind, group, help, why, flag, command_only)
    return dataclasses.field(default=default, metadata={"setting": setting})


LISTEN = "Where to listen"
APPLICATION = "Application"
PROCESSES = "Processes"
RELOAD = "Reload"
TLS = "TLS"
HTTP = "HTTP"
HTTP2 = "HTTP/2"
LIMITS = "Limits"
TIMEOUTS = "Time-outs"
WEBSOCKET = "WebSockets"
LOGGING = "Logging"
GROUPS = (
    APPLICATION, LISTEN, PROCESSES, RELOAD, TLS, HTTP, LIMITS, HTTP2, TIMEOUTS, WEBSOCKET, LOGGING,
)  # fmt: skip

KIB = 1024


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings of a server, each checked; immutable, so that workers can share it.

    Raises:
        ConfigError: a value can't be used; the message names it and says what to do.
    """

    # One line of value, kind and group, then the text: the formatter would take four.
    # fmt: off

    # Application
    app_dir: str = _setting(
        "", kinds.text("DIR"), APPLICATION,
        "Directory to import the application from; empty is the current directory.",
        command_only=True,
    )
    factory: bool = _setting(
        False, kinds.flag(), APPLICATION,
        "The application named is a function without parameters that returns the application.",
        command_only=True,
    )
    env_file: str | None = _setting(
        None, kinds.path("FILE"), APPLICATION,
        "File of environment variables for the application and for these settings; variables"
        " that are set already win. Needs hyperfastapi[dotenv].",
        command_only=True,
    )
    root_path: str = _setting(
        "", kinds.text("PATH"), APPLICATION,
        "ASGI root_path: the prefix under which a proxy publishes the application.",
    )
    lifespan: str = _setting(
        "auto", kinds.choice("auto", "on", "off"), APPLICATION,
        "Lifespan events: with auto, an application that does not know them is served without;"
        " with on, that is a start-up failure.",
    )
    loop: str = _setting(
        "auto", kinds.choice("auto", "asyncio", "uvloop"), APPLICATION,
        "Event loop of the application. auto is asyncio; uvloop needs hyperfastapi[uvloop].",
        why="The C server waits for the network inside asyncio's own wait; in uvloop it costs one"
        " more system call per turn.",
    )

    # Where to listen
    host: str = _setting(
        "127.0.0.1", kinds.text("HOST"), LISTEN,
        "Address or host name to listen on; several are separated by commas. Empty means every"
        " address of the machine, IPv4 and IPv6.",
        why="Reachable from this machine alone until asked otherwise.",
    )
    port: int = _setting(
        8000, kinds.integer(0, 65535), LISTEN,
        "TCP port, 0 to 65535; 0 takes a free one, the same for all workers.",
    )
    uds: str | None = _setting(
        None, kinds.path(), LISTEN,
        "Listen on a Unix socket at this path, not on TCP.",
    )
    uds_mode: int = _setting(
        0o666, kinds.mode(), LISTEN,
        "File mode of the Unix socket, in octal.",
        why="A proxy that runs as another user has to reach it; the directory can restrict more.",
    )
    fd: int | None = _setting(
        None, kinds.integer(0, optional=True), LISTEN,
        "Listen on the socket inherited as this file descriptor, not on a new one.",
    )
    backlog: int = _setting(
        2048, kinds.integer(1), LISTEN,
        "Connections that may wait to be accepted, per listening socket; the system may cap it.",
        why="A burst should wait for a moment, not be refused.",
    )
    reuse_port: bool = _setting(
        False, kinds.flag(), LISTEN,
        "Let other programs of the same user listen on the same port (SO_REUSEPORT).",
        why="Without it, a second server on the port is a mistake that must be reported. (Workers"
        " share the port either way.)",
    )

    # Processes
    workers: int = _setting(
        1, kinds.integer(1), PROCESSES,
        "Number of processes. With more than one, a parent supervises them and replaces those"
        " that die. WEB_CONCURRENCY is read too.",
    )
    preload: bool = _setting(
        False, kinds.flag(), PROCESSES,
        "Import the application once in the parent, before the workers are forked.",
        why="Saves memory, but threads and connections that the import opens do not survive the"
        " fork, so each worker imports for itself unless told otherwise.",
        command_only=True,
    )
    limit_max_requests: int | None = _setting(
        None, kinds.integer(1, optional=True, unit="requests"), PROCESSES,
        "Requests after which a process ends; with workers, it is replaced. None: never.",
    )
    limit_max_requests_jitter: int = _setting(
        0, kinds.integer(0, unit="requests"), PROCESSES,
        "Up to so many requests, chosen at random, are added to --limit-max-requests, so that"
        " workers do not end together.",
    )
    timeout_graceful_shutdown: float | None = _setting(
        30.0, kinds.seconds(zero=True), PROCESSES,
        "Seconds that requests under way get to finish after SIGINT or SIGTERM. None: for ever.",
        why="Service managers kill after 30 to 90 s; endless streams must not hold the exit.",
    )
    timeout_worker_start: float | None = _setting(
        300.0, kinds.seconds(), PROCESSES,
        "Seconds in which a worker has to import the application and start it up. None: for ever.",
        why="Models of gigabytes take minutes to load; a worker that hangs must not go unnoticed.",
    )
    timeout_worker_healthcheck: float | None = _setting(
        30.0, kinds.seconds(), PROCESSES,
        "Seconds without an answer to the parent after which a worker is killed and replaced."
        " None: never.",
        why="An answer needs a thread switch, no more; what holds the interpreter longer is stuck."
        " uvicorn's 5 s kill workers in one long call of a C library.",
    )

    # Reload
    reload: bool = _setting(
        False, kinds.flag(), RELOAD,
        "Restart the server when its source files change. For development; one process. Needs"
        " hyperfastapi[reload].",
        command_only=True,
    )
    reload_dirs: tuple[str, ...] = _setting(
        (), kinds.strings("DIR", kinds.split_paths), RELOAD,
        "Directory to watch, in place of the current one; may be repeated.",
        flag="--reload-dir", command_only=True,
    )
    reload_includes: tuple[str, ...] = _setting(
        (), kinds.strings("GLOB", kinds.split_words), RELOAD,
        "Files to watch besides *.py, as a pattern; may be repeated.",
        flag="--reload-include", command_only=True,
    )
    reload_excludes: tuple[str, ...] = _setting(
        (), kinds.strings("GLOB", kinds.split_words), RELOAD,
        "Files or directories not to watch besides '.*', '.py[cod]', '.sw.*' and '~*'; may be"
        " repeated.",
        flag="--reload-exclude", command_only=True,
    )
    reload_delay: float = _setting(
        0.25, kinds.seconds(optional=False), RELOAD,
        "Seconds between two looks at the watched files.",
        command_only=True,
    )

    # TLS
    tls_cert: tuple[str, ...] = _setting(
        (), kinds.strings("FILE", kinds.split_paths), TLS,
        "Certificate and chain in PEM: serve HTTPS. May be repeated; the client's SNI chooses, the"
        " first is for everybody else.",
    )
    tls_key: tuple[str, ...] = _setting(
        (), kinds.strings("FILE", kinds.split_paths), TLS,
        "Private key in PEM, one for each certificate and in their order; left out, the keys are in"
        " the certificates' files.",
    )
    tls_key_password: str | None = _setting(
        None, kinds.text("TEXT", optional=True), TLS,
        "Password of the private keys; better in the variable than on the command line.",
    )
    tls_client_ca: str | None = _setting(
        None, kinds.path("FILE"), TLS,
        "Certificates in PEM that may have signed the clients': ask clients for theirs.",
    )
    tls_client_auth: str = _setting(
        "required", kinds.choice("required", "optional"), TLS,
        "With --tls-client-ca: whether a client without a certificate is turned away.",
    )
    tls_min_version: str = _setting(
        "1.2", kinds.choice("1.2", "1.3"), TLS,
        "Lowest version of TLS.",
        why="Older ones are broken (RFC 8996).",
    )
    tls_ciphers: str | None = _setting(
        None, kinds.text("LIST", optional=True), TLS,
        "Cipher suites of TLS 1.2, in OpenSSL's names and order. None: ECDHE with AES-GCM or"
        " ChaCha20-Poly1305.",
        why="Forward secrecy and authenticated encryption alone, as HTTP/2 asks for.",
    )
    tls_ciphersuites: str | None = _setting(
        None, kinds.text("LIST", optional=True), TLS,
        "Cipher suites of TLS 1.3, in OpenSSL's names and order. None: all three, AES-128 first.",
    )
    tls_groups: str | None = _setting(
        None, kinds.text("LIST", optional=True), TLS,
        "Groups for the key exchange, in OpenSSL's names and order. None: X25519MLKEM768 where"
        " OpenSSL has it, X25519, P-256, P-384.",
    )
    tls_kernel: bool = _setting(
        False, kinds.flag(), TLS,
        "Let the kernel encrypt, where it and OpenSSL can: files are then sent without a copy.",
        why="Small responses do not gain from it.",
    )
    tls_reload_interval: float | None = _setting(
        10.0, kinds.seconds(), TLS,
        "Seconds between two looks at the certificates' files, which are read again when they have"
        " changed. None: only at SIGHUP.",
        why="Renewed certificates should need no restart.",
    )

    # HTTP
    http2: bool = _setting(
        True, kinds.flag(), HTTP,
        "Speak HTTP/2 with clients that ask for it: by ALPN, and without TLS by their first bytes.",
    )
    proxy_protocol_allow_ips: tuple[str, ...] = _setting(
        (), kinds.trusted_peers(), HTTP,
        "Load balancers whose connections begin with a PROXY protocol header, version 1 or 2:"
        " addresses, networks, or unix: for a Unix socket. Without the header they are refused.",
    )
    proxy_headers: bool = _setting(
        True, kinds.flag(), HTTP,
        "Take the client's address and the scheme from what trusted proxies say.",
    )
    forwarded_allow_ips: tuple[str, ...] = _setting(
        ("127.0.0.1", "::1"), kinds.trusted_peers(), HTTP,
        "Trusted proxies: addresses, networks and socket paths, separated by commas; '*' trusts"
        " everyone. FORWARDED_ALLOW_IPS is read too.",
        why="Who is trusted can choose the client's address; a proxy on this machine may.",
    )
    forwarded_field: str = _setting(
        "x-forwarded", kinds.choice("x-forwarded", "forwarded"), HTTP,
        "Where trusted proxies say it: in X-Forwarded-For and its like, or in Forwarded"
        " (RFC 7239).",
        why="One of the two: what a proxy does not set itself, it passes on from its client.",
    )
    forwarded_parts: tuple[str, ...] = _setting(
        ("for", "proto"), kinds.choices("for", "proto", "host", "port", "prefix"), HTTP,
        "What trusted proxies are believed: the client (for), the scheme (proto), the Host field"
        " (host), its port (port), and the prefix that they took off the path (prefix);"
        " separated by commas.",
        why="Every proxy sets these two. Name another only if yours sets it, whatever its client"
        " has sent.",
    )
    headers: tuple[tuple[str, str], ...] = _setting(
        (), kinds.headers(), HTTP,
        "Header to add to each response; may be repeated. (The variable has one a line.)",
        flag="--header",
    )
    server_header: bool = _setting(
        True, kinds.flag(), HTTP,
        "Send 'server: hyperfastapi'.",
    )
    date_header: bool = _setting(
        True, kinds.flag(), HTTP,
        "Send the Date header.",
        why="RFC 9110 6.6.1: an origin server with a clock must.",
    )

    # Limits
    limit_concurrency: int | None = _setting(
        None, kinds.integer(1, optional=True), LIMITS,
        "Connections or requests under way from which on requests are answered with 503. None:"
        " no bound.",
    )
    limit_connections: int | None = _setting(
        65536, kinds.integer(1, optional=True), LIMITS,
        "Open connections per process; more wait to be accepted. None: no bound.",
        why="An idle connection costs little, but no peer should decide how many there are.",
    )
    limit_head_size: int = _setting(
        64 * KIB, kinds.integer(256, unit="bytes"), LIMITS,
        "Bytes of a request head, request line included; more is answered with 431.",
        why="Cookies and tokens of real users fit; a proxy in front usually allows 8 to 32 KiB.",
    )
    limit_head_fields: int = _setting(
        128, kinds.integer(1), LIMITS,
        "Header fields of a request; more is answered with 431.",
    )
    limit_target_size: int = _setting(
        32 * KIB, kinds.integer(16, unit="bytes"), LIMITS,
        "Bytes of a request target (path and query); more is answered with 414.",
        why="RFC 9110 4.1 asks for 8,000 at least; long queries of real clients fit.",
    )
    limit_trailer_size: int = _setting(
        8 * KIB, kinds.integer(0, unit="bytes"), LIMITS,
        "Bytes of the trailer section of a chunked body; more is answered with 431.",
    )
    limit_request_buffer: int = _setting(
        64 * KIB, kinds.integer(1, unit="bytes"), LIMITS,
        "Bytes of a request body held for the application; beyond, reading pauses.",
    )
    limit_response_buffer: int = _setting(
        64 * KIB, kinds.integer(1, unit="bytes"), LIMITS,
        "Bytes of a response not yet taken by the client from which on the application's send"
        " waits.",
    )
    limit_body_rate: int = _setting(
        240, kinds.integer(0, unit="bytes"), LIMITS,
        "Bytes a second that a request body has to arrive with, on average over --timeout-body,"
        " while the application waits for it; slower is answered with 408. 0: any rate.",
        why="Slower than any real network; a client that drips bytes would hold a request for"
        " hours.",
    )

    # HTTP/2
    limit_h2_streams: int = _setting(
        128, kinds.integer(1), HTTP2,
        "Requests in progress at once on one connection.",
        why="RFC 9113 6.5.2 advises 100 at least.",
    )
    limit_h2_resets: int = _setting(
        500, kinds.integer(1), HTTP2,
        "Requests that a client may cancel within 30 s on one connection, before it is closed.",
        why="CVE-2023-44487: a cancelled request costs the client nothing. Browsers that leave a"
        " page cancel a hundred.",
    )
    limit_h2_errors: int = _setting(
        100, kinds.integer(1), HTTP2,
        "Requests that a client may have the server reset within 30 s, by its own faults.",
        why="CVE-2025-8671: what is cancelled in this way costs the client nothing, either.",
    )
    limit_h2_continuations: int = _setting(
        8, kinds.integer(0), HTTP2,
        "CONTINUATION frames of one request's head.",
        why="CVE-2024-27316. One frame holds 16 KiB, and the head 64 KiB.",
    )
    limit_h2_settings: int = _setting(
        100, kinds.integer(1), HTTP2,
        "SETTINGS frames that a client may send within 30 s.",
        why="CVE-2019-9515: each has to be acknowledged.",
    )
    limit_h2_pings: int = _setting(
        200, kinds.integer(1), HTTP2,
        "PING frames that a client may send within 30 s.",
        why="CVE-2019-9512: each has to be answered. Clients that measure the bandwidth send one"
        " for each burst of data.",
    )
    limit_h2_priorities: int = _setting(
        1000, kinds.integer(1), HTTP2,
        "PRIORITY and PRIORITY_UPDATE frames that a client may send within 30 s.",
        why="CVE-2019-9513.",
    )
    limit_h2_windows: int = _setting(
        2000, kinds.integer(1), HTTP2,
        "WINDOW_UPDATE frames that a client may send within 30 s beyond one for each frame that it"
        " was sent.",
    )
    limit_h2_empty: int = _setting(
        200, kinds.integer(1), HTTP2,
        "DATA frames without data that a client may send within 30 s.",
        why="CVE-2019-9518.",
    )

    # Time-outs
    timeout_handshake: float = _setting(
        10.0, kinds.seconds(optional=False), TIMEOUTS,
        "Seconds for the TLS handshake, and for a PROXY protocol header before it.",
    )
    timeout_keep_alive: float = _setting(
        75.0, kinds.seconds(zero=True, optional=False), TIMEOUTS,
        "Seconds an idle connection is kept for the next request.",
        why="Longer than the 60 s of common load balancers, which would otherwise send a request"
        " into a connection that is just being closed.",
    )
    timeout_head: float | None = _setting(
        15.0, kinds.seconds(), TIMEOUTS,
        "Seconds from the first byte of a request to the end of its head; then 408. None: for"
        " ever.",
    )
    timeout_body: float | None = _setting(
        20.0, kinds.seconds(), TIMEOUTS,
        "Seconds over which --limit-body-rate is measured. None: for ever.",
    )
    timeout_write: float | None = _setting(
        30.0, kinds.seconds(), TIMEOUTS,
        "Seconds in which a client that is sent something has to take at least a byte; then the"
        " connection is cut. None: for ever.",
    )

    # WebSockets
    ws_max_size: int = _setting(
        16 * KIB * KIB, kinds.integer(1, unit="bytes"), WEBSOCKET,
        "Bytes of an incoming message; more closes the WebSocket with code 1009.",
    )
    ws_per_message_deflate: bool = _setting(
        True, kinds.flag(), WEBSOCKET,
        "Compress messages for clients that offer it (permessage-deflate).",
    )
    ws_deflate_window_bits: int = _setting(
        12, kinds.integer(9, 15), WEBSOCKET,
        "Windows of compression as powers of two, in bytes: what a message is compressed with costs"
        " eight times as much memory for each WebSocket that uses it.",
    )
    ws_ping_interval: float | None = _setting(
        20.0, kinds.seconds(), WEBSOCKET,
        "Seconds between pings. None: no pings.",
    )
    ws_ping_timeout: float | None = _setting(
        20.0, kinds.seconds(), WEBSOCKET,
        "Seconds in which a ping has to be answered; then the WebSocket is closed. None: for ever.",
    )
    ws_slow_client: str = _setting(
        "wait", kinds.choice("wait", "drop", "close"), WEBSOCKET,
        "What becomes of a message while --limit-response-buffer bytes wait for the client: sending"
        " waits, the message is dropped, or the WebSocket is closed with code 1008.",
    )

    # Logging
    log_level: str | int | None = _setting(
        None, kinds.log_level(), LOGGING,
        f"Least severe level that is logged: {', '.join(kinds.LOG_LEVELS)}. None: info, or what"
        " --log-config says.",
    )
    log_config: str | dict[str, Any] | None = _setting(
        None, kinds.log_config(), LOGGING,
        "Configuration of logging, for logging.config: a .json, .yaml or .ini file.",
    )
    access_log: bool = _setting(
        True, kinds.flag(), LOGGING,
        "Log each request to standard output.",
    )
    use_colors: bool | None = _setting(
        None, kinds.flag(optional=True), LOGGING,
        "Colour the log. None: where it goes to a terminal.",
    )

    # fmt: on

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            try:
                checked = setting.kind.check(value)
            except kinds.Refused as refused:
                raise ConfigError(name, str(refused), value) from None
            object.__setattr__(self, name, checked)
        if self.uds is not None and self.fd is not None:
            raise ConfigError("uds", f"set it or fd (now {self.fd}), not both", self.uds)
        if self.reuse_port and (self.uds is not None or self.fd is not None):
            raise ConfigError("reuse_port", "is for a TCP port, not for uds or fd", True)
        self._check_tls()

    def _check_tls(self) -> None:
        if self.tls_key and len(self.tls_key) != len(self.tls_cert):
            raise ConfigError(
                "tls_key",
                f"{len(self.tls_key)} for {len(self.tls_cert)} of tls_cert: give one for each,"
                " in the same order",
                self.tls_key,
            )
        if self.tls_client_ca is not None and not self.tls_cert:
            raise ConfigError("tls_client_ca", "needs tls_cert", self.tls_client_ca)

    @property
    def supervised(self) -> bool:
        """Whether a parent process supervises the one that serves.

        The parent alone decides when a drain has lasted long enough. A repeated signal does not
        mean "at once" to a supervised process: terminals and service managers signal a whole
        group, and the parent passes on what it got.
        """
        return self.workers > 1 or self.reload

    def as_mapping(self) -> dict[str, Any]:
        """Return every setting by its name, for the C core."""
        return {name: getattr(self, name) for name in SETTINGS}

    @property
    def encoded_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that each response starts with, `date` aside, as they go on the wire.

        `headers` with lower-case names; before them `server`, unless it is turned off or given.
        """
        given = tuple(
            (name.lower().encode("ascii"), value.encode("latin-1")) for name, value in self.headers
        )
        if not self.server_header or any(name == b"server" for name, _ in given):
            return given
        return ((b"server", SERVER_NAME), *given)


SETTINGS: dict[str, Setting] = {
    field.name: field.metadata["setting"] for field in dataclasses.fields(Config)
}


def flag_of(name: str) -> str:
    """Return the command's flag for the setting `name`: `--reload-dir` for `reload_dirs`."""
    return SETTINGS[name].flag or "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """Return the environment variable for the setting `name`."""
    return ENVIRONMENT_PREFIX + name.upper()


def parse_flag(name: str, text: str) -> Any:
    """Parse what follows the flag of the setting `name`; a list if the flag may be repeated.

    Raises:
        ConfigError: the text isn't a value for this setting.
    """
    kind = SETTINGS[name].kind
    try:
        return (kind.parse_flag or kind.parse)(text)
    except kinds.Refused as refused:
        raise ConfigError(name, str(refused), text) from None


def from_environment(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Collect the settings that environment variables give.

    Args:
        environ: the variables, as `os.environ`.

    Returns:
        For each setting that a variable gives, the variable's name and the value.

    Raises:
        ConfigError: a variable's text isn't a value for its setting. Its `setting` is the name of
            the variable.
    """
    found: dict[str, tuple[str, Any]] = {}
    for name, setting in SETTINGS.items():
        for variable in (variable_of(name), OTHER_VARIABLES.get(name, "")):
            if variable not in environ:
                continue
            try:
                found[name] = (variable, setting.kind.parse(environ[variable]))
            except kinds.Refused as refused:
                raise ConfigError(variable, str(refused), environ[variable]) from None
            break
    return found


def check_names(settings: Mapping[str, Any], *, command: bool) -> None:
    """Raise if a name isn't a setting's, or is one that only the command has.

    Args:
        settings: the settings by name.
        command: whether the settings are for the command.

    Raises:
        ConfigError: naming the first such name and, for a misspelt one, the nearest.
    """
    valid = [name for name, setting in SETTINGS.items() if command or not setting.command_only]
    for name, value in settings.items():
        if name in valid:
            continue
        if name in SETTINGS:
            raise ConfigError(
                name,
                f"is a setting of the command, which imports the application itself:"
                f" hyperfastapi run main:app {flag_of(name)}",
                value,
            )
        near = difflib.get_close_matches(name, valid, n=1)
        meant = f"; did you mean {near[0]}?" if near else "; hyperfastapi run --help lists all"
        raise ConfigError(name, f"there is no such setting{meant}")


def for_run_native(
    *,
    http3: object = False,
    settings: Mapping[str, Any],
    **named: Any,
) -> Config:
    """Build the configuration of `FastAPI.run_native()`.

    Args:
        http3: refused unless False.
        settings: the settings given by name beyond the parameters of `run_native`.
        **named: the parameters of `run_native` that are settings.

    Raises:
        ConfigError: a setting is unknown, invalid, or not in this build.
    """
    if http3:
        raise ConfigError(
            "http3",
            "this build has no HTTP/3 yet; leave it out to serve HTTP/1.1 and HTTP/2",
            http3,
        )
    check_names(settings, command=False)
    # The parameters for files may be None, as in other servers' calls.
    merged = {name: value for name, value in named.items() if value is not None}
    merged.update(settings)
    variable = OTHER_VARIABLES["forwarded_allow_ips"]
    if variable in os.environ:
        merged.setdefault("forwarded_allow_ips", os.environ[variable])
    return Config(**merged)


def from_sources(
    flags: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[Config, Sequence[str]]:
    """Build the configuration of the command: flags first, then variables, then defaults.

    Args:
        flags: the settings that flags give, parsed.
        environ: the environment variables, those of an env-file included.

    Returns:
        The configuration, and the names of the settings that something gave.

    Raises:
        ConfigError: a value can't be used; its `setting` is the flag or variable at fault.
    """
    given = from_environment(environ)
    values = {name: value for name, (_, value) in given.items()}
    labels = {name: variable for name, (variable, _) in given.items()}
    values.update(flags)
    labels.update({name: flag_of(name) for name in flags})
    try:
        return Config(**values), tuple(values)
    except ConfigError as error:
        label = labels.get(error.setting, error.setting)
        raise ConfigError(label, error.problem, *error.value) from None
