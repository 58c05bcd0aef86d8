"""Settings are checked once, and an error names the value and the remedy."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from hyperfastapi import FastAPI, _config
from hyperfastapi._config import SETTINGS, Config, ConfigError


def test_defaults_are_valid_and_those_of_uvicorn_where_people_rely_on_them() -> None:
    config = Config()
    assert (config.host, config.port, config.workers) == ("127.0.0.1", 8000, 1)
    assert config.proxy_headers and config.forwarded_allow_ips == ("127.0.0.1", "::1")
    assert (config.backlog, config.ws_max_size) == (2048, 16 * 1024 * 1024)
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (20.0, 20.0)
    assert config.uds_mode == 0o666


def test_config_is_frozen_slotted_and_can_be_pickled() -> None:
    config = Config(port=0, headers=[("x-a", "b")])
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.port = 1  # type: ignore[misc]
    assert not hasattr(config, "__dict__")
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_is_described(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.help.endswith((".", ".)"))
    assert setting.group in _config.GROUPS


@pytest.mark.parametrize("name", [n for n in SETTINGS if n.startswith("timeout_")])
def test_time_outs_say_that_they_are_in_seconds(name: str) -> None:
    assert "Seconds" in SETTINGS[name].help


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"port": 70000}, "port=70000: must be a whole number from 0 to 65535"),
        ({"port": "8000"}, "port='8000': must be a whole number from 0 to 65535"),
        ({"port": True}, "port=True: must be a whole number from 0 to 65535"),
        ({"workers": 0}, "workers=0: must be a whole number, 1 or more"),
        ({"host": None}, "host=None: must be a string"),
        ({"loop": "trio"}, "loop='trio': must be one of auto, asyncio, uvloop"),
        ({"lifespan": "yes"}, "lifespan='yes': must be one of auto, on, off"),
        ({"timeout_head": 0}, "timeout_head=0: must be a number of seconds above 0, or None"),
        (
            {"timeout_keep_alive": -1.0},
            "timeout_keep_alive=-1.0: must be a number of seconds, 0 or more",
        ),
        (
            {"timeout_write": float("inf")},
            "timeout_write=inf: must be a number of seconds above 0, or None",
        ),
        (
            {"limit_head_size": 10},
            "limit_head_size=10: must be a whole number of bytes, 256 or more",
        ),
        ({"access_log": 1}, "access_log=1: must be True or False"),
        ({"uds_mode": 0o1777}, "uds_mode=1023: must be a file mode from 0 to 0777"),
        ({"headers": ["x"]}, "headers=['x']: must be a list of (name, value) pairs"),
        ({"headers": [("a b", "c")]}, "headers=[('a b', 'c')]: 'a b' is not a header name"),
        (
            {"headers": [("a", "b\r\nc")]},
            "the value of 'a' must be text without control characters",
        ),
        ({"headers": [("a", "€")]}, "the value of 'a' has characters outside Latin-1"),
        (
            {"forwarded_allow_ips": "10.0.0.5/8"},
            "forwarded_allow_ips='10.0.0.5/8': 10.0.0.5/8 has host bits set; write the network as",
        ),
        ({"log_level": "loud"}, "log_level='loud': must be one of critical, error, warning"),
        ({"log_config": "/no/such"}, "log_config='/no/such': must be an existing .json"),
        ({"uds": "a", "fd": 3}, "uds='a': set it or fd (now 3), not both"),
        ({"uds": "a", "reuse_port": True}, "reuse_port=True: is for a TCP port"),
    ],
)
def test_error_names_the_value_and_the_remedy(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Config(**settings)
    assert message in str(error.value)


def test_values_are_kept_in_one_form() -> None:
    config = Config(
        headers={"X-A": " b "},
        forwarded_allow_ips="10.0.0.0/8, 192.0.2.1,/run/proxy.sock",
        timeout_head=5,
        log_level="DEBUG",
        reload_dirs="src",
    )
    assert config.headers == (("X-A", "b"),)
    assert config.forwarded_allow_ips == ("10.0.0.0/8", "192.0.2.1", "/run/proxy.sock")
    assert config.timeout_head == 5.0 and isinstance(config.timeout_head, float)
    assert config.log_level == "debug"
    assert config.reload_dirs == ("src",)


@pytest.mark.parametrize(
    ("settings", "encoded"),
    [
        ({}, ((b"server", b"hyperfastapi"),)),
        ({"headers": [("X-A", "é")]}, ((b"server", b"hyperfastapi"), (b"x-a", b"\xe9"))),
        ({"headers": [("Server", "mine")]}, ((b"server", b"mine"),)),
        ({"server_header": False}, ()),
    ],
)
def test_encoded_headers_start_with_server_unless_given_or_off(
    settings: dict[str, Any], encoded: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert Config(**settings).encoded_headers == encoded


def test_process_is_supervised_with_workers_or_reload() -> None:
    assert not Config().supervised
    assert Config(workers=2).supervised
    assert Config(reload=True).supervised


def test_every_setting_is_an_environment_variable() -> None:
    found = _config.from_environment(
        {
            "HYPERFASTAPI_PORT": "81",
            "HYPERFASTAPI_ACCESS_LOG": "no",
            "HYPERFASTAPI_TIMEOUT_HEAD": "none",
            "HYPERFASTAPI_UDS_MODE": "660",
            "HYPERFASTAPI_HEADERS": "X-A: b c\nX-D: e",
            "HYPERFASTAPI_RELOAD_DIRS": "a:b c",
            "HYPERFASTAPI_RELOAD_INCLUDES": "*.html *.txt",
            "HYPERFASTAPI_FORWARDED_ALLOW_IPS": "*",
        }
    )
    values = {name: value for name, (_, value) in found.items()}
    assert values == {
        "port": 81,
        "access_log": False,
        "timeout_head": None,
        "uds_mode": 0o660,
        "headers": [("X-A", " b c"), ("X-D", " e")],
        "reload_dirs": ["a", "b c"],
        "reload_includes": ["*.html", "*.txt"],
        "forwarded_allow_ips": ["*"],
    }


def test_variables_of_others_are_read_after_ours() -> None:
    theirs = {"WEB_CONCURRENCY": "3", "FORWARDED_ALLOW_IPS": "192.0.2.1"}
    config, _ = _config.from_sources({}, theirs)
    assert (config.workers, config.forwarded_allow_ips) == (3, ("192.0.2.1",))
    config, _ = _config.from_sources({}, {**theirs, "HYPERFASTAPI_WORKERS": "5"})
    assert config.workers == 5


def test_flag_wins_over_variable_wins_over_default() -> None:
    environ = {"HYPERFASTAPI_PORT": "81", "HYPERFASTAPI_HOST": "::1"}
    config, given = _config.from_sources({"port": 82}, environ)
    assert (config.port, config.host, config.backlog) == (82, "::1", 2048)
    assert set(given) == {"port", "host"}


def test_error_names_the_variable_or_flag_at_fault() -> None:
    with pytest.raises(ConfigError, match="HYPERFASTAPI_PORT='x': must be a whole number"):
        _config.from_sources({}, {"HYPERFASTAPI_PORT": "x"})
    with pytest.raises(ConfigError, match="HYPERFASTAPI_PORT=70000: must be a whole number"):
        _config.from_sources({}, {"HYPERFASTAPI_PORT": "70000"})
    with pytest.raises(ConfigError, match="--port=70000: must be a whole number"):
        _config.from_sources({"port": 70000}, {"HYPERFASTAPI_PORT": "81"})


def test_run_native_names_the_nearest_setting() -> None:
    with pytest.raises(
        ConfigError, match=r"timeout_keepalive: .*; did you mean timeout_keep_alive\?"
    ):
        FastAPI().run_native(timeout_keepalive=5)
    with pytest.raises(ConfigError, match="zzz: there is no such setting; hyperfastapi run --"):
        FastAPI().run_native(zzz="red")


def test_run_native_refuses_settings_of_the_command() -> None:
    with pytest.raises(
        ConfigError, match=r"reload=True: is a setting of the command.*main:app --reload"
    ):
        FastAPI().run_native(reload=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tls_key": "k.pem"}, r"tls_key=.*k\.pem.*: 1 for 0 of tls_cert: give one for each"),
        ({"tls_client_ca": "ca.pem"}, r"tls_client_ca='ca\.pem': needs tls_cert"),
        ({"http3": True}, r"http3=True: this build has no HTTP/3 yet"),
    ],
)
def test_run_native_refuses_what_cannot_be_served(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FastAPI().run_native(**arguments)


def test_run_native_reads_no_variable_but_the_trusted_proxies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HYPERFASTAPI_BACKLOG", "5")
    monkeypatch.setenv("WEB_CONCURRENCY", "5")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")
    config = _config.for_run_native(settings={}, workers=1, port=1)
    assert (config.backlog, config.workers) == (2048, 1)
    assert config.forwarded_allow_ips == ("192.0.2.1",)
