"""Bundles of one maker only: everything that judges loads its bundle here.

The stages of a run are not among that: they judge what the run has just written itself, which
nobody has signed yet.
"""

from __future__ import annotations

import os
from pathlib import Path

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.keys import read_public_key
from gazeclip.bundle.signature import require_signature
from gazeclip.errors import ConfigError

VARIABLE = "GAZECLIP_TRUSTED_KEY"


def load_trusted(folder: str | Path, trusted: str | Path | None = None) -> Bundle:
    """A bundle whose every hash is right and, where a key is pinned, which that key has signed.

    Args:
        trusted: file of a public key; None takes the one that the environment names, if any.

    Raises:
        BundleError: the bundle is not whole, or that key has not signed it.
        ConfigError: the key cannot be read.
        MissingDependencyError: a key is pinned and cryptography is not installed.
    """
    pinned = find_pinned_key(trusted)
    if pinned is None:
        return Bundle.load(folder)
    key = read_public_key(pinned)
    bundle = Bundle.load(folder)
    require_signature(bundle, key)
    return bundle


def find_pinned_key(trusted: str | Path | None) -> Path | None:
    """The file of the key that was named, here or by the environment; None: no key is pinned.

    Raises:
        ConfigError: the environment names it by an empty text, which would pin none in silence.
    """
    if trusted is not None:
        return Path(trusted)
    named = os.environ.get(VARIABLE)
    if named == "":
        raise ConfigError(
            f"the variable {VARIABLE} is empty",
            remedy="Name the file of a public key, or take the variable away",
        )
    return None if named is None else Path(named)
