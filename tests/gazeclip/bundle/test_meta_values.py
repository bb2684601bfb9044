"""Whatever stands in a bundle.json that is sealed: a bundle, or one line that refuses it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gazeclip.bundle.bundle import Bundle
from gazeclip.bundle.check import meta_faults, seal
from gazeclip.bundle.contents import BankInput, BundleContents
from gazeclip.bundle.gate import explain_rejection, is_rejected
from gazeclip.bundle.origin import find_origin_faults
from gazeclip.bundle.write import write_bundle
from gazeclip.errors import BundleError
from gazeclip.images.crop_rule import CropRule
from gazeclip.scoring.evidence import Evidence
from runtimes.engines.coreml import choose_units
from runtimes.saturation import describe_saturation
from tests.rejected import build_entry

DELETED = object()
# An integer that no float holds, too: JSON has no largest one.
VALUES: list[Any] = [DELETED, None, True, -1, 1.5, 10**400, "x", [], [[]], {"x": None}]
Place = tuple[str | int, ...]


def find_places(value: Any, above: Place = ()) -> Iterator[Place]:
    """Every key and the first two elements of a list, also of what lies inside."""
    if isinstance(value, dict):
        inside: list[tuple[Any, Any]] = list(value.items())
    else:
        inside = list(enumerate(value[:2])) if isinstance(value, list) else []
    for key, item in inside:
        yield (*above, key)
        yield from find_places(item, (*above, key))


def change(meta: Any, place: Place, value: Any) -> Any:
    """A copy that is sealed again, as a writer with other ideas would."""
    changed = copy.deepcopy(meta)
    owner = changed
    for key in place[:-1]:
        owner = owner[key]
    if value is DELETED:
        del owner[place[-1]]
    else:
        owner[place[-1]] = value
    if place != ("digest",):
        changed["digest"] = seal(changed)
    return changed


def use(bundle: Bundle) -> None:
    """What any reader takes out of a bundle.

    Raises:
        BundleError: it names what is not there.
    """
    for name in ("target", "precision", "model_path", "temperature", "evidence", "crop", "classes"):
        getattr(bundle, name)
    for name in ("operating_points", "golden_tolerance", "contract", "bank_input", "text_bank"):
        getattr(bundle, name)
    for name in ("image", "embedding", "logits", "fake_logit", "gaze"):
        bundle.graph_name(name)
    bundle.operating_point().decide(0.0)
    describe_saturation(bundle, "onnxruntime", None, {"AVX2"})
    find_origin_faults({}, bundle.meta)
    if is_rejected(bundle.meta):
        explain_rejection(bundle.meta)
    choose_units(bundle, None)


@pytest.fixture
def with_all_entries(contents: BundleContents) -> dict[str, BundleContents]:
    """Contents that between them have every entry that a bundle.json may have."""
    notes = {"overflow_fix": False, "compute_units": "all", "minimum_target": "iOS16"}
    metrics = {**contents.metrics, "conversion": notes}
    crop = CropRule()
    rejected = replace(contents, metrics=metrics, gate=build_entry(), crop=crop)
    evidence = Evidence(("detection",), (0.7,), 0.1, -6.0, 5.7)
    bank = BankInput("text_bank", 64)
    return {
        "rejected": rejected,
        "external bank": replace(contents, evidence=evidence, bank_input=bank),
    }


@pytest.mark.parametrize("kind", ["rejected", "external bank"])
def test_no_value_of_bundle_json_is_a_fault_of_the_program(
    kind: str, with_all_entries: dict[str, BundleContents], spoiled: Path
) -> None:
    write_bundle(spoiled, with_all_entries[kind])
    path = spoiled / "bundle.json"
    meta = json.loads(path.read_text())
    refused = 0
    places = list(find_places(meta))
    if kind == "external bank":  # all else is as in the other one
        places = [place for place in places if place[0] in ("schema", "text_bank", "evidence")]
    for place in places:
        for value in VALUES:
            changed = change(meta, place, value)
            try:
                if meta_faults(changed):  # as `Bundle.load` asks first; it would read files, too
                    refused += 1
                    continue
                path.write_text(json.dumps(changed))
                use(Bundle.load(spoiled, verify=False))  # no file is changed here
            except BundleError as error:
                refused += 1
                assert "\n" not in str(error) and error.remedy
            except Exception as error:
                raise AssertionError(f"{place} as {value!r}: {error!r}") from error
    # Some entries (provenance, versions, figures of metrics) may hold anything.
    assert refused > 0.5 * len(places) * len(VALUES)
    assert {place[0] for place in places} == set(meta) or kind == "external bank"


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (("golden", "n"), "n of golden is None"),
        (("golden", "tolerance"), "golden tolerance of embedding is None"),
        (("files", "model.onnx", "bytes"), "'model.onnx' of the file list needs bytes and sha256"),
        (("files", "golden.npz", "sha256"), "'golden.npz' of the file list needs"),
        (("gate", "drops", 0, "limit"), "each drop of 'gate' needs"),
    ],
)
def test_what_is_missing_is_named(
    place: Place, words: str, with_all_entries: dict[str, BundleContents], spoiled: Path
) -> None:
    write_bundle(spoiled, with_all_entries["rejected"])
    path = spoiled / "bundle.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()), place, DELETED)))
    with pytest.raises(BundleError, match=words):
        Bundle.load(spoiled)


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("golden", "n"), 0, "n of golden is 0, not a number of at least 1"),
        (("golden", "tolerance"), [], "tolerance of golden is not an object"),
        (("files", "model.onnx"), None, "'model.onnx' of the file list needs"),
        (("files", "model.onnx", "bytes"), True, "'model.onnx' of the file list needs"),
        (("classes", 1, "title"), 3, "a value of a class is not a text"),
        (("classes", 1, "name"), [], "a value of a class is not a text"),
        (("metrics", "conversion"), "none", "'conversion' of 'metrics' is not an object"),
        (("temperature", "detection"), "x", "temperature of detection is 'x', not a number"),
        (("evidence", "bias"), 10**400, "evidence bias is 1000.*not a number"),
        (("gate", "drops", 0, "before"), "x", "a value of 'gate' has the wrong type"),
        (("gate", "n_real"), "50", "a value of 'gate' has the wrong type"),
    ],
)
def test_what_is_of_another_kind_is_named(
    place: Place,
    value: Any,
    words: str,
    with_all_entries: dict[str, BundleContents],
    spoiled: Path,
) -> None:
    write_bundle(spoiled, with_all_entries["rejected"])
    path = spoiled / "bundle.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()), place, value)))
    with pytest.raises(BundleError, match=words):
        Bundle.load(spoiled)
