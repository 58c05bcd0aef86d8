"""Certificates made for one test: an authority, servers and clients that it has signed."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


class Authority:
    """A certificate authority with its files in a directory.

    Args:
        directory: where the files go.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.cert = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(self.cert)

    def issue(self, name: str, *, file: str = "", common_name: str | None = None) -> list[Path]:
        """Sign a certificate for a host and write it and its key, over files of the same name.

        Returns:
            The paths of the certificate with its chain, and of the key.
        """
        issued = self._ca.issue_cert(name, common_name=common_name, key_type=trustme.KeyType.ECDSA)
        paths = self.files(file or name)
        issued.cert_chain_pems[0].write_to_path(paths[0])
        issued.private_key_pem.write_to_path(paths[1])
        return paths

    def files(self, name: str) -> list[Path]:
        """The paths of a certificate and of its key, which were or will be written."""
        return [self._directory / f"{name}.{end}" for end in ("crt", "key")]

    def client(self, *identity: Path, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """Make a client's context that trusts this authority alone.

        Args:
            *identity: the client's own certificate and key.
            alpn: the protocols that it offers.
        """
        context = ssl.create_default_context(cafile=self.cert)
        if identity:
            context.load_cert_chain(*identity)
        if alpn:
            context.set_alpn_protocols(alpn)
        return context
