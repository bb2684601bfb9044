"""Who vouches for a bundle: an Ed25519 signature over its digest, in a file beside the others.

The digest covers bundle.json and with it the hash of every file, so that one signature holds all
of them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.gate import is_rejected, refuse_rejected_ones
from gazeclip.bundle.keys import EXTRA, decode_public_key, name_key
from gazeclip.bundle.layout import SIGNATURE
from gazeclip.errors import BundleError, ConfigError
from gazeclip.files.atomic import parse_json, write_json
from gazeclip.system.packages import require

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

_SCHEMA = 1
_ALGORITHM = "ed25519"
_LARGEST_FILE = 4096  # bytes
_SIGNATURE_BYTES = 64
_KEY_BYTES = 32
_SHORT = 16  # characters of a key's id that messages show
_SIGN_AGAIN = "Get it from its maker again, or sign it again with the trusted key"


@dataclass(frozen=True)
class Signature:
    """What the signature file says; nothing of it is true before it was compared with a key.

    Attributes:
        key_id: `keys.name_key` of the key that signed.
        digest: of the bundle that was signed.
        value: the signature, 64 bytes.
        public: the public key that it claims, 32 bytes (RFC 8032); None: of an earlier version.
    """

    key_id: str
    digest: str
    value: bytes
    public: bytes | None = None


def sign_bundle(
    folder: Path, key: Ed25519PrivateKey, replace: bool = False, allow_rejected: bool = False
) -> Signature:
    """Sign a whole bundle and write the signature into its folder.

    Args:
        replace: also where another key has signed it; its signature is lost then.
        allow_rejected: also where the forensic gate refused its file.

    Raises:
        BundleError: the bundle is not whole.
        ConfigError: another key has signed it.
        GateError: the gate refused its file.
    """
    bundle = Bundle.load(folder)
    if is_rejected(bundle.meta) and not allow_rejected:
        refuse_rejected_ones([(folder, bundle.meta)])
    public = key.public_key()
    key_id = name_key(public)
    if (folder / SIGNATURE).is_file() and not replace:
        present = read_signature(folder)
        if present is not None and present.key_id != key_id:
            raise ConfigError(
                f"{folder} is signed with the key {shorten_key(present.key_id)} already",
                remedy="Use --force to replace that signature",
            )
    value = key.sign(_write_message(bundle.digest))
    signature = Signature(key_id, bundle.digest, value, public.public_bytes_raw())
    write_json(folder / SIGNATURE, _describe(signature))
    return signature


def read_signature(folder: Path) -> Signature | None:
    """What the signature file says, unproven; None where the bundle has none.

    Raises:
        BundleError: the file is damaged.
    """
    path = folder / SIGNATURE
    try:
        with path.open("rb") as file:
            entry = parse_json(file.read(_LARGEST_FILE))
        return _parse(entry)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{path} is damaged ({error})", remedy=_SIGN_AGAIN) from error


def require_signature(bundle: Bundle, key: Ed25519PublicKey) -> Signature:
    """Refuse a checked bundle that this key has not signed.

    Raises:
        BundleError: no signature, one of another key or of other contents, or one that is wrong.
    """
    trusted = name_key(key)
    signature = read_signature(bundle.folder)
    if signature is None:
        raise _refuse(
            bundle, f"it is not signed, and only the key {shorten_key(trusted)} is trusted"
        )
    if signature.key_id != trusted:
        found = shorten_key(signature.key_id)
        what = f"it is signed with the key {found}, and only {shorten_key(trusted)} is trusted"
        raise _refuse(bundle, what)
    _refuse_stale(bundle, signature)
    _refuse_wrong(bundle, signature, key)
    return signature


def check_claim(bundle: Bundle, signature: Signature) -> bool:
    """Refuse a signature that is wrong whosever it is: by the key that stands beside it.

    That vouches for nobody, as anybody can put a key there: only a key from elsewhere does.

    Returns:
        whether there is such a key; False: of an earlier version, only the digest was compared.

    Raises:
        BundleError: it is of other contents, or was not made with the key that it claims.
        MissingDependencyError: there is a key and cryptography is not installed.
    """
    _refuse_stale(bundle, signature)
    if signature.public is None:
        return False
    key = decode_public_key(signature.public)
    if name_key(key) != signature.key_id:
        claimed = shorten_key(signature.key_id)
        raise _refuse(bundle, f"the key in its signature is not the key {claimed} that it claims")
    _refuse_wrong(bundle, signature, key)
    return True


def _refuse_stale(bundle: Bundle, signature: Signature) -> None:
    if signature.digest != bundle.digest:
        raise _refuse(bundle, "its contents were changed after it was signed")


def _refuse_wrong(bundle: Bundle, signature: Signature, key: Ed25519PublicKey) -> None:
    invalid = require("cryptography.exceptions", EXTRA).InvalidSignature
    try:
        key.verify(signature.value, _write_message(bundle.digest))
    except invalid as error:
        what = f"its signature was not made with the key {shorten_key(signature.key_id)}"
        raise _refuse(bundle, what) from error


def shorten_key(key_id: str) -> str:
    """Enough of a key's id to tell keys apart in a message; never enough to compare them."""
    return key_id[:_SHORT]


def _write_message(digest: str) -> bytes:
    """What is signed; it says what for, so that no other use of the key can be taken for it."""
    return f"gazeclip-edge bundle {_SCHEMA}\n{digest}\n".encode("ascii")


def _describe(signature: Signature) -> dict[str, Any]:
    public = {}
    if signature.public is not None:
        public["public_key"] = base64.b64encode(signature.public).decode("ascii")
    return {
        "schema": _SCHEMA,
        "algorithm": _ALGORITHM,
        "key_id": signature.key_id,
        "digest": signature.digest,
        "signature": base64.b64encode(signature.value).decode("ascii"),
        **public,
    }


def _parse(entry: Any) -> Signature:
    if not isinstance(entry, Mapping):
        raise ValueError("not an object")
    if entry["schema"] != _SCHEMA or entry["algorithm"] != _ALGORITHM:
        raise ValueError(f"schema {entry['schema']!r} of {entry['algorithm']!r} is unknown")
    for name in ("key_id", "digest", "signature"):
        if not isinstance(entry[name], str):
            raise ValueError(f"'{name}' is not a text")
    value = _decode(entry["signature"], "the signature", _SIGNATURE_BYTES)
    public = None
    if "public_key" in entry:
        if not isinstance(entry["public_key"], str):
            raise ValueError("'public_key' is not a text")
        public = _decode(entry["public_key"], "the public key", _KEY_BYTES)
    return Signature(entry["key_id"], entry["digest"], value, public)


def _decode(text: str, what: str, length: int) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{what} is not base64") from error
    if len(value) != length:
        raise ValueError(f"{what} has {len(value)} bytes instead of {length}")
    return value


def _refuse(bundle: Bundle, what: str) -> BundleError:
    return BundleError(f"bundle {bundle.folder} is refused: {what}", remedy=_SIGN_AGAIN)
