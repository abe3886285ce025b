"""An authority of certificates, and one of its certificates, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
# Python 3.13 verifies strictly: usage and identifiers must be there.
_USAGE = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: the authority's certificate, and a server's with its key."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path, *names: str) -> Certificates:
    """Make them.

    Parameters:
        folder: For the files.
        names: Of the server, as ``DNS:localhost``.
    """

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl(
        "req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=authority", *_USAGE, "-keyout", "ca.key", "-out", "ca.pem"
    )
    openssl("req", *_KEY, "-subj", "/CN=server", "-keyout", "key.pem", "-out", "request.pem")
    (folder / "extensions").write_text(f"subjectAltName={','.join(names)}\nauthorityKeyIdentifier=keyid\n")
    openssl(
        *("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
        *("-days", "2", "-extfile", "extensions", "-out", "cert.pem"),
    )
    return Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")
