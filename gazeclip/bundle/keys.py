"""Ed25519 keys as PEM files: who signs bundles, and whose signature is trusted (RFC 8032).

key_id = make_keys(Path("release"))  # release.key, for its owner only, and release.pub
private = read_private_key(Path("release.key"))
public = read_public_key(Path("release.pub"))
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from gazeclip.errors import ConfigError
from gazeclip.files.atomic import atomic_create
from gazeclip.system.packages import require

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

EXTRA = "sign"
PRIVATE = ".key"
PUBLIC = ".pub"
_LARGEST_FILE = 65_536  # bytes; a key has about a hundred
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_keys(name: Path) -> str:
    """Write `name.key` (mode 0600) and `name.pub`, both new; the id of the pair.

    Raises:
        ConfigError: one of them is there already, or cannot be written.
    """
    ed25519 = _require_ed25519()
    serialization = _require_serialization()
    private_file = Path(f"{name}{PRIVATE}")
    public_file = Path(f"{name}{PUBLIC}")
    for path in (private_file, public_file):
        if os.path.lexists(path):
            raise _refuse_existing(path)
    key = ed25519.Ed25519PrivateKey.generate()
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(
        encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _create_secret(private_file, secret)
    try:
        atomic_create(public_file, lambda temporary: temporary.write_bytes(public))
    except BaseException as error:
        private_file.unlink()  # this very call made it, and nothing can have been signed with it
        if isinstance(error, FileExistsError):
            raise _refuse_existing(public_file) from error
        raise
    return name_key(key.public_key())


def _create_secret(path: Path, data: bytes) -> None:
    """A file that was not there and that nobody but its owner could read for a moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise _refuse_existing(path) from error
    except OSError as error:
        what = f"cannot write {path}: {error.strerror}"
        raise ConfigError(what, remedy="Choose another folder") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _refuse_existing(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is there already, and keys are never overwritten",
        remedy="Choose another name, or move it away first",
    )


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """The key that signs.

    Raises:
        ConfigError: missing, of another kind, protected by a password, or readable by others.
    """
    serialization = _require_serialization()
    try:
        key = serialization.load_pem_private_key(_read_key_file(path), password=None)
    except (ValueError, TypeError) as error:  # TypeError: it is protected by a password
        raise _refuse_key(path, "private", error) from error
    if not isinstance(key, _require_ed25519().Ed25519PrivateKey):
        raise _refuse_key(path, "private", None)
    if os.name == "posix" and path.stat().st_mode & _OTHERS:
        raise ConfigError(
            f"the private key {path} may be used by others than its owner",
            remedy=f"If nobody has copied it, run: chmod 600 {path}",
        )
    return key


def read_public_key(path: Path) -> Ed25519PublicKey:
    """The key that a signature is compared with.

    Raises:
        ConfigError: missing or of another kind.
    """
    serialization = _require_serialization()
    try:
        key = serialization.load_pem_public_key(_read_key_file(path))
    except ValueError as error:
        raise _refuse_key(path, "public", error) from error
    if not isinstance(key, _require_ed25519().Ed25519PublicKey):
        raise _refuse_key(path, "public", None)
    return key


def decode_public_key(raw: bytes) -> Ed25519PublicKey:
    """The public key of 32 bytes, as RFC 8032 writes it."""
    key: Ed25519PublicKey = _require_ed25519().Ed25519PublicKey.from_public_bytes(raw)
    return key


def name_key(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key's DER form, hexadecimal, as `openssl` can compute it as well."""
    serialization = _require_serialization()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _read_key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_FILE)
    except OSError as error:
        what = f"the key {path} cannot be read ({error.strerror})"
        raise ConfigError(what, remedy="Check its name and permissions") from error


def _refuse_key(path: Path, kind: str, error: Exception | None) -> ConfigError:
    reason = "" if error is None else f" ({' '.join(str(error).split())[:120]})"
    return ConfigError(
        f"{path} holds no {kind} Ed25519 key in PEM form without a password{reason}",
        remedy=f"Name the file that ends in {PRIVATE if kind == 'private' else PUBLIC}",
    )


def _require_ed25519() -> ModuleType:
    return require("cryptography.hazmat.primitives.asymmetric.ed25519", EXTRA)


def _require_serialization() -> ModuleType:
    return require("cryptography.hazmat.primitives.serialization", EXTRA)
