"""Which bundles the gateway of docs/integrate takes: the same as `runtimes`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.keys import make_keys, read_private_key
from gazeclip.bundle.signature import sign_bundle
from gazeclip.errors import BundleError
from gazeclip.files.hashes import sha256
from runtimes import load
from tests.integrate.gateway import check_refusal, rewrite, run
from tests.rejected import reject_bundle

pytestmark = pytest.mark.checkout


def test_it_refuses_what_the_gate_rejected(
    gateway: Path, spoiled: Path, contents: BundleContents
) -> None:
    assert run(gateway, spoiled).returncode == 0
    reject_bundle(spoiled, contents)
    with pytest.raises(BundleError, match="rejected"):
        load(spoiled)
    check_refusal(run(gateway, spoiled), "the gate rejected it")
    rewrite(spoiled, lambda meta: meta["gate"].update(accepted=True))
    load(spoiled)
    assert run(gateway, spoiled).returncode == 0


@pytest.mark.parametrize("name", ["model.onnx", "golden.npz", "text_bank.safetensors"])
def test_it_refuses_what_no_hash_covers(name: str, gateway: Path, spoiled: Path) -> None:
    rewrite(spoiled, lambda meta: meta["files"].pop(name))
    with pytest.raises(BundleError, match="list"):
        load(spoiled)
    check_refusal(run(gateway, spoiled), f"{name} is not among its files")


def test_it_refuses_a_bundle_without_a_list_of_files(gateway: Path, spoiled: Path) -> None:
    rewrite(spoiled, lambda meta: meta.pop("files"))
    check_refusal(run(gateway, spoiled), "files")


@pytest.mark.parametrize("inside", ["../{}", "sub/../../{}", "{folder}/{}"])
def test_it_refuses_names_that_leave_the_folder(inside: str, gateway: Path, spoiled: Path) -> None:
    """Although the hash is right: what lies elsewhere is no part of a bundle."""
    (spoiled / "sub").mkdir()
    outside = spoiled.parent / "outside.txt"
    outside.write_text("not of the bundle")
    name = inside.format(outside.name, folder=outside.parent)
    assert (spoiled / name).read_text() == outside.read_text()
    entry = {"bytes": outside.stat().st_size, "sha256": sha256(outside)}
    rewrite(spoiled, lambda meta: meta["files"].update({name: entry}))
    with pytest.raises(BundleError, match="missing"):
        load(spoiled)
    check_refusal(run(gateway, spoiled), f"{name} is no file of a bundle")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two pairs, `ours` and `theirs`."""
    pytest.importorskip("cryptography")
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder / "ours")
    make_keys(folder / "theirs")
    return folder


def sign(folder: Path, keys: Path, whose: str) -> None:
    sign_bundle(folder, read_private_key(keys / f"{whose}.key"))


def check_stranger(gateway: Path, folder: Path, key: Path, words: str) -> None:
    """The gateway refuses a whole bundle as `runtimes` does, and only where a key is named."""
    load(folder)
    assert run(gateway, folder).returncode == 0
    with pytest.raises(BundleError, match="sign"):
        load(folder, trusted=key)
    check_refusal(run(gateway, folder, "--key", key), words)


def test_it_takes_what_its_key_has_signed(
    gateway: Path, spoiled: Path, keys: Path, photos: dict[str, Path]
) -> None:
    key = keys / "ours.pub"
    check_stranger(gateway, spoiled, key, "it is not signed")
    sign(spoiled, keys, "ours")
    load(spoiled, trusted=key)
    plain = run(gateway, spoiled, photos["fake"])
    done = run(gateway, spoiled, "--key", key, photos["fake"])
    assert (done.stdout, done.stderr, done.returncode) == (plain.stdout, "", 1)
    check_stranger(gateway, spoiled, keys / "theirs.pub", "it is not signed with the key")


def test_it_refuses_what_was_changed_since(gateway: Path, spoiled: Path, keys: Path) -> None:
    """With right hashes and digest, which nobody needs a key for."""
    key = keys / "ours.pub"
    sign(spoiled, keys, "ours")
    rewrite(spoiled, lambda meta: meta["thresholds"]["fpr1"].update(fake_from=5.0))
    check_stranger(gateway, spoiled, key, "it was changed after it was signed")
    path = spoiled / "signature.json"
    digest = json.loads((spoiled / "bundle.json").read_text())["digest"]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"digest": digest}))
    check_stranger(gateway, spoiled, key, "it is not signed with the key")


def test_a_key_holds_with_a_bank_and_stands_before_the_images(
    gateway: Path, external: Path, bank_file: Path, keys: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(external, tmp_path / "signed"))
    sign(folder, keys, "ours")
    bank = ("--text-bank", bank_file)
    for key, code in (("ours", 0), ("theirs", 70)):
        named = ("--key", keys / f"{key}.pub")
        assert run(gateway, folder, *bank, *named).returncode == code
        assert run(gateway, folder, *named, *bank).returncode == code
        check_refusal(run(gateway, folder, "face.jpg", *named), "options stand between")
        check_refusal(run(gateway, folder, "--serve", *named), "options stand between")


def test_only_keys_for_signatures_like_these_are_taken(
    gateway: Path, spoiled: Path, keys: Path, tmp_path: Path
) -> None:
    ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec")
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    sign(spoiled, keys, "ours")
    path = tmp_path / "other.pub"
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, form))
    check_refusal(run(gateway, spoiled, "--key", path), "no Ed25519 key")
    check_refusal(run(gateway, spoiled, "--key", tmp_path / "none.pub"), "none.pub")
