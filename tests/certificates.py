"""Creates certificates for tests with openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.programs import needs

__all__ = ["certificates"]

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def certificates(folder: Path) -> None:
    """Create a certificate authority, and certificates for a server and a node that it signs.

    The certificates have the extensions that Python 3.13 requires.
    """
    _request(folder, "ca", "-addext", "keyUsage=critical,keyCertSign")
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    for name in ("server", "node"):
        usage = "keyUsage=critical,digitalSignature,keyCertSign"
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", names, "-addext", usage)
        _request(folder, name, *signed)


def _request(folder: Path, name: str, *more: str) -> None:
    subject = ("-subj", f"/CN={name}", "-days", "2")
    files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
    needs("openssl")
    subprocess.run(
        ["openssl", "req", "-x509", *KEY, *files, *subject, *more],
        cwd=folder,
        check=True,
        capture_output=True,
    )
