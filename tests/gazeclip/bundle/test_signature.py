"""A signature holds every byte of a bundle, and only the pinned key's counts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.check import seal
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.keys import make_keys, read_private_key, read_public_key
from gazeclip.bundle.signature import sign_bundle
from gazeclip.bundle.trust import VARIABLE, load_trusted
from gazeclip.bundle.write import copy_with_point, write_bundle
from gazeclip.errors import BundleError, ConfigError, GazeClipError
from gazeclip.files.hashes import sha256
from runtimes import load

serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two pairs, `ours` and `theirs`."""
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder / "ours")
    make_keys(folder / "theirs")
    return folder


@pytest.fixture
def signed(spoiled: Path, keys: Path) -> Path:
    """A bundle that our key has signed, for a test to change."""
    sign_bundle(spoiled, read_private_key(keys / "ours.key"))
    load_trusted(spoiled, keys / "ours.pub")
    return spoiled


def rehash(folder: Path) -> None:
    """What somebody does who changed files and has no key: write all hashes and the digest anew."""
    path = folder / "bundle.json"
    meta = json.loads(path.read_text())
    for name in meta["files"]:
        file = folder / name
        meta["files"][name] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
    meta["digest"] = seal(meta)
    path.write_text(json.dumps(meta))
    Bundle.load(folder)  # whole, as far as hashes can tell


def change_byte(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def lower_threshold(folder: Path) -> None:
    """Change bundle.json itself, and seal it again."""
    path = folder / "bundle.json"
    meta = json.loads(path.read_text())
    meta["thresholds"]["fpr1"]["fake_from"] -= 0.1
    path.write_text(json.dumps(meta))
    rehash(folder)


def edit_signature(folder: Path, **changes: Any) -> None:
    path = folder / "signature.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def tell_new_digest(folder: Path) -> None:
    """Changed, hashed anew, and the old signature told to be of the new contents."""
    lower_threshold(folder)
    edit_signature(folder, digest=json.loads((folder / "bundle.json").read_text())["digest"])


ATTACKS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "one byte of the model": (
        lambda f: change_byte(f / "model.onnx", 40),
        "model.onnx was changed",
    ),
    "one byte of bundle.json": (
        lambda f: (f / "bundle.json").write_text(
            (f / "bundle.json").read_text().replace('"fpr1": {', '"fpr2": {', 1)
        ),
        "digest differs",
    ),
    "truncated model": (
        lambda f: (f / "model.onnx").write_bytes((f / "model.onnx").read_bytes()[:-1]),
        "model.onnx has [0-9]+ bytes instead of",
    ),
    "re-hashed model": (
        lambda f: (change_byte(f / "model.onnx", 40), rehash(f)),
        "changed after it was signed",
    ),
    "re-hashed golden vectors": (
        lambda f: (change_byte(f / "golden.npz", -1), rehash(f)),
        "changed after it was signed|damaged",
    ),
    "re-hashed threshold": (lower_threshold, "changed after it was signed"),
    "signature told to be of the new contents": (tell_new_digest, "was not made with the key"),
    "no signature": (lambda f: (f / "signature.json").unlink(), "it is not signed"),
    "signature cut off": (
        lambda f: (f / "signature.json").write_text((f / "signature.json").read_text()[:60]),
        "signature.json is damaged",
    ),
    "signature of another algorithm": (
        lambda f: edit_signature(f, algorithm="none"),
        "of 'none' is unknown",
    ),
    "signature of zeros": (
        lambda f: edit_signature(f, signature=base64.b64encode(bytes(64)).decode()),
        "was not made with the key",
    ),
    "empty signature": (lambda f: edit_signature(f, signature=""), "0 bytes instead of 64"),
    "signature that is a number": (lambda f: edit_signature(f, signature=1), "is not a text"),
    "signature that is a list": (
        lambda f: (f / "signature.json").write_text("[" * 4000),
        "signature.json is damaged",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_one_line(name: str, signed: Path, keys: Path) -> None:
    attack, words = ATTACKS[name]
    attack(signed)
    with pytest.raises(BundleError, match=words) as caught:
        load(signed, threads=1, trusted=keys / "ours.pub")
    assert "\n" not in str(caught.value) and caught.value.remedy and caught.value.exit_code == 2


# Files beside or inside the one that bundle.json names, with the weights in a file of their own.
SPLIT = {
    "openvino": ("model.xml", ("model.xml", "model.bin")),
    "coreml": (
        "model.mlpackage",
        (
            "model.mlpackage/Manifest.json",
            "model.mlpackage/Data/com.apple.CoreML/model.mlmodel",
            "model.mlpackage/Data/com.apple.CoreML/weights/weight.bin",
        ),
    ),
}


@pytest.mark.parametrize(
    ("target", "file"), [(target, file) for target, (_, files) in SPLIT.items() for file in files]
)
def test_no_file_of_a_model_can_be_exchanged(
    target: str, file: str, contents: BundleContents, keys: Path, tmp_path: Path
) -> None:
    """By who has no key, however well the hashes are made anew; what they hold is never read."""
    model, files = SPLIT[target]
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(f"the values of {name}".encode())
    write_bundle(tmp_path, replace(contents, target=target, model_file=model))
    sign_bundle(tmp_path, read_private_key(keys / "ours.key"))
    load_trusted(tmp_path, keys / "ours.pub")
    change_byte(tmp_path / file, 5)
    with pytest.raises(BundleError, match=f"{file} was changed"):
        load_trusted(tmp_path, keys / "ours.pub")
    rehash(tmp_path)
    with pytest.raises(BundleError, match="changed after it was signed"):
        load_trusted(tmp_path, keys / "ours.pub")
    sign_bundle(tmp_path, read_private_key(keys / "theirs.key"), replace=True)
    with pytest.raises(BundleError, match="is trusted"):
        load_trusted(tmp_path, keys / "ours.pub")


def test_another_key_is_refused_even_under_our_name(signed: Path, keys: Path) -> None:
    ours = json.loads((signed / "signature.json").read_text())["key_id"]
    sign_bundle(signed, read_private_key(keys / "theirs.key"), replace=True)
    with pytest.raises(BundleError, match=r"signed with the key .*, and only .* is trusted"):
        load_trusted(signed, keys / "ours.pub")
    edit_signature(signed, key_id=ours)
    with pytest.raises(BundleError, match="was not made with the key"):
        load_trusted(signed, keys / "ours.pub")


def test_no_key_is_needed_where_none_is_pinned(
    signed: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (signed / "signature.json").write_text("damaged")
    assert load(signed, threads=1).bundle.digest  # as a bundle that was never signed
    monkeypatch.setenv(VARIABLE, str(keys / "ours.pub"))
    with pytest.raises(BundleError, match=r"signature\.json is damaged"):
        load(signed, threads=1)
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ConfigError, match="is empty"):
        load(signed, threads=1)


def test_what_was_named_comes_before_the_environment(
    signed: Path, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(keys / "theirs.pub"))
    load_trusted(signed, keys / "ours.pub")
    with pytest.raises(BundleError, match="is trusted"):
        load_trusted(signed)


def test_the_signature_is_plain_ed25519_over_the_digest(signed: Path, keys: Path) -> None:
    digest = json.loads((signed / "bundle.json").read_text())["digest"]
    entry = json.loads((signed / "signature.json").read_text())
    public = serialization.load_pem_public_key((keys / "ours.pub").read_bytes())
    message = b"gazeclip-edge bundle 1\n" + digest.encode() + b"\n"
    public.verify(base64.b64decode(entry["signature"]), message)
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not here: the key's id is compared with nothing")
    command = [openssl, "pkey", "-pubin", "-in", str(keys / "ours.pub"), "-outform", "DER"]
    der = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    (keys / "der").write_bytes(der)
    assert entry["key_id"] == sha256(keys / "der")


def test_signing_again_changes_nothing_and_another_key_asks_first(signed: Path, keys: Path) -> None:
    before = (signed / "signature.json").read_bytes()
    sign_bundle(signed, read_private_key(keys / "ours.key"))
    assert (signed / "signature.json").read_bytes() == before  # Ed25519 has no randomness
    with pytest.raises(ConfigError, match=r"is signed with the key .* already"):
        sign_bundle(signed, read_private_key(keys / "theirs.key"))
    assert (signed / "signature.json").read_bytes() == before


def test_a_damaged_bundle_is_not_signed(signed: Path, keys: Path) -> None:
    change_byte(signed / "model.onnx", 40)
    (signed / "signature.json").unlink()
    with pytest.raises(BundleError, match="was changed"):
        sign_bundle(signed, read_private_key(keys / "ours.key"))
    assert not (signed / "signature.json").exists()


def test_what_is_written_anew_carries_no_old_signature(
    signed: Path, contents: BundleContents, tmp_path: Path
) -> None:
    bundle = Bundle.load(signed)
    point = bundle.operating_point()
    copy_with_point(signed, tmp_path / "copy", point, bundle.evidence, {})
    assert not (tmp_path / "copy" / "signature.json").exists()
    write_bundle(signed, contents)
    assert not (signed / "signature.json").exists()


def test_a_private_key_is_its_owners_and_never_overwritten(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_keys(tmp_path / "new" / "a")
    finally:
        os.umask(before)
    secret = tmp_path / "new" / "a.key"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    data = secret.read_bytes()
    with pytest.raises(ConfigError, match=r"a\.key is there already"):
        make_keys(tmp_path / "new" / "a")
    secret.rename(tmp_path / "elsewhere.key")
    with pytest.raises(ConfigError, match=r"a\.pub is there already"):
        make_keys(tmp_path / "new" / "a")
    assert not secret.exists() and (tmp_path / "elsewhere.key").read_bytes() == data
    (tmp_path / "b.key").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"b\.key is there already"):
        make_keys(tmp_path / "b")
    assert not (tmp_path / "nowhere").exists()


def test_a_pair_of_which_half_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(path: Path, write: Callable[[Path], object]) -> None:
        raise FileExistsError(path)  # by another process, after the look

    monkeypatch.setattr("gazeclip.bundle.keys.atomic_create", taken)
    with pytest.raises(ConfigError, match=r"a\.pub is there already"):
        make_keys(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def write_foreign_key(folder: Path) -> Path:
    """A private key of another algorithm."""
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    path = folder / "ec.key"
    path.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return path


def test_what_is_no_key_is_refused(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a key")
    wrong = [
        (read_private_key, keys / "ours.pub", "holds no private Ed25519 key"),
        (read_public_key, keys / "ours.key", "holds no public Ed25519 key"),
        (read_private_key, write_foreign_key(tmp_path), "without a password"),
        (read_public_key, tmp_path / "text", "holds no public Ed25519 key"),
        (read_public_key, tmp_path / "none", "cannot be read"),
        (read_public_key, tmp_path, "cannot be read"),
    ]
    for read, path, words in wrong:
        with pytest.raises(GazeClipError, match=words) as caught:
            read(path)
        assert "\n" not in str(caught.value)
    open_key = tmp_path / "open.key"
    shutil.copyfile(keys / "ours.key", open_key)
    open_key.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_private_key(open_key)
