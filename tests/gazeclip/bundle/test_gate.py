"""What the gate said stands in the bundle, and a rejected one is not run unless forced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.contents import BundleContents
from gazeclip.bundle.gate import is_rejected
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError
from runtimes import load
from tests.rejected import DROP, build_entry


def test_a_rejected_bundle_runs_only_when_it_is_forced(
    spoiled: Path, contents: BundleContents
) -> None:
    write_bundle(spoiled, replace(contents, gate=build_entry()))
    with pytest.raises(BundleError, match=r"worse than its fp32 twin: tpr 0\.900 -> 0\.500"):
        load(spoiled)
    assert load(spoiled, allow_rejected=True).bundle.meta["gate"]["drops"] == [DROP]


def test_an_undecided_one_says_how_few_images_there_were(
    spoiled: Path, contents: BundleContents
) -> None:
    drop = {**DROP, "outcome": "cannot tell"}
    entry = build_entry(outcome="cannot tell", drops=[drop])
    write_bundle(spoiled, replace(contents, gate=entry))
    with pytest.raises(BundleError, match="150 images of val cannot tell"):
        load(spoiled)
    write_bundle(spoiled, replace(contents, gate={**entry, "accepted": True}))
    assert not is_rejected(load(spoiled).bundle.meta)


def test_a_bundle_that_was_not_judged_is_not_rejected(bundles: dict[str, Path]) -> None:
    meta = Bundle.load(bundles["onnx"]).meta
    assert "gate" not in meta and not is_rejected(meta)


@pytest.mark.parametrize(
    "entry", ["pass", {"outcome": "pass"}, build_entry(accepted="yes"), build_entry(drops=None)]
)
def test_a_faulty_entry_is_refused(spoiled: Path, contents: BundleContents, entry: Any) -> None:
    with pytest.raises(BundleError, match="'gate'"):
        write_bundle(spoiled, replace(contents, gate=entry))
