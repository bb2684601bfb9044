"""The certificates that signers must lead to, as the operator names them."""

from __future__ import annotations

from pathlib import Path

from gazeclip.errors import ConfigError
from gazeclip.system.packages import require


def read_anchors(path: Path) -> str:
    """A file of PEM certificates, looked at: the C2PA library passes over what is none.

    Raises:
        ConfigError: it cannot be read, or one of its certificates cannot, or it holds none.
    """
    x509 = require("cryptography.x509", "provenance")
    try:
        data = path.read_bytes()
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise ConfigError(what, remedy="Name a file of PEM certificates with --trust") from error
    try:
        x509.load_pem_x509_certificates(data)
        return data.decode("utf-8")
    except ValueError as error:
        reason = " ".join(str(error).split())
        what = f"{path} holds no certificate, or one that is damaged ({reason})"
        remedy = "Name a file of PEM certificates with --trust"
        raise ConfigError(what, remedy=remedy) from error
