"""A certificate authority for one test cluster: everything on 127.0.0.1."""

from dataclasses import dataclass
from pathlib import Path

import trustme

HOSTS = ("localhost", "kubernetes", "kubernetes.default.svc", "keda-operator", "127.0.0.1")


@dataclass(frozen=True)
class Pair:
    """Paths of a certificate and of its private key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates for servers and clients of one cluster; their files are in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._signer = trustme.CA()
        self.certificate = folder / "ca.crt"
        self._signer.cert_pem.write_to_path(self.certificate)

    def issue(self, name: str) -> Pair:
        """A certificate with common name `name`, for servers on loopback and for clients."""
        certificate = self._signer.issue_cert(*HOSTS, common_name=name)
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(pair.certificate)
        certificate.private_key_pem.write_to_path(pair.key)
        return pair
