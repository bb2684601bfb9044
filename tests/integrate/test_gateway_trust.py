"""Which bundles the gateway of docs/integrate takes: the same as `runtimes`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gazeclip.bundle.check import seal
from gazeclip.bundle.contents import BundleContents
from gazeclip.errors import BundleError
from gazeclip.files.hashes import sha256
from runtimes import load
from tests.integrate.gateway import check_refusal, run
from tests.rejected import reject_bundle

pytestmark = pytest.mark.checkout
Change = Callable[[dict[str, Any]], Any]  # of bundle.json, in place


def rewrite(folder: Path, change: Change) -> None:
    """Change bundle.json and seal it anew, as somebody can who has no key."""
    path = folder / "bundle.json"
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta | {"digest": seal(meta)}))


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
