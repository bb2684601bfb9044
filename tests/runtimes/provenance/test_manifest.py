"""A manifest store holds what its maker chose; reading it never fails on that."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from runtimes.provenance.credentials import STATES
from runtimes.provenance.manifest import read_store

PREFIX = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def make_store(**changes: Any) -> dict[str, Any]:
    """A store with a manifest `a` that was made of `b` and, round in a circle, of itself."""

    def describe(kind: str, parent: str, relationship: str) -> dict[str, Any]:
        actions = [{"action": "c2pa.created", "digitalSourceType": PREFIX + kind}]
        return {
            "claim_generator_info": [{"name": "maker", "version": "1"}],
            "signature_info": {"common_name": "N", "issuer": "O", "time": "2026-01-01T00:00:00Z"},
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
            "ingredients": [{"relationship": relationship, "active_manifest": parent}],
        }

    return {
        "active_manifest": "a",
        "validation_state": "Trusted",
        "validation_results": {
            "activeManifest": {
                "success": [{"code": "signingCredential.trusted"}],
                "failure": [],
            },
            "ingredientDeltas": [{"validationDeltas": {"failure": []}}],
        },
        "manifests": {
            "a": describe("digitalCapture", "b", "componentOf"),
            "b": describe("trainedAlgorithmicMedia", "a", "parentOf"),
        },
    } | changes


def test_what_is_read() -> None:
    found = read_store(make_store(), with_anchors=True)
    assert found.to_dict() == {
        "state": "valid",
        "signer": "N",
        "organisation": "O",
        "signed_at": "2026-01-01T00:00:00Z",
        "trusted": True,
        "claim_generator": "maker 1",
        "source_types": ["digitalCapture", "trainedAlgorithmicMedia"],
        "says_ai_made": True,
        "faults": [],
        "reason": None,
    }
    assert read_store(make_store(), with_anchors=False).trusted is None


def test_an_input_is_no_part_of_the_picture() -> None:
    store = make_store()
    store["manifests"]["a"]["ingredients"][0]["relationship"] = "inputTo"
    found = read_store(store, with_anchors=False)
    assert (found.source_types, found.says_ai_made) == (("digitalCapture",), False)


def test_faults_name_what_fails_and_not_that_the_signer_is_unknown() -> None:
    store = make_store(validation_state="Invalid")
    unknown = {"code": "signingCredential.untrusted"}
    results = store["validation_results"]
    results["activeManifest"] = {"failure": [unknown, {"code": "assertion.dataHash.mismatch"}]}
    later = {"failure": [unknown, {"code": "claimSignature.mismatch"}]}
    results["ingredientDeltas"] = [{"validationDeltas": later}]
    found = read_store(store, with_anchors=True)
    assert (found.state, found.trusted) == ("broken", False)
    assert found.faults == ("assertion.dataHash.mismatch", "claimSignature.mismatch")


@pytest.mark.parametrize("changes", [{"validation_state": None}, {"active_manifest": "c"}])
def test_without_a_state_or_a_manifest_they_are_unreadable(changes: dict[str, Any]) -> None:
    assert read_store(make_store(**changes), with_anchors=True).state == "unreadable"


def test_a_long_name_does_not_fill_the_table() -> None:
    store = make_store()
    store["manifests"]["a"]["signature_info"]["common_name"] = "N" * 5000
    assert len(read_store(store, with_anchors=True).describe()) < 90


def find_places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in nested lists and mappings."""
    yield path
    children = value.items() if isinstance(value, dict) else ()
    for key, child in enumerate(value) if isinstance(value, list) else children:
        yield from find_places(child, (*path, key))


def replace(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with `new` in one place."""
    if not path:
        return new
    changed = copy.deepcopy(value)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = new
    return changed


def test_no_value_in_any_place_makes_it_fail() -> None:
    store = make_store()
    places = list(find_places(store))
    assert len(places) > 40
    for path in places:
        for new in (None, 1, 0.5, True, "text", [], {}, [[]], [None], {"code": []}):
            found = read_store(replace(store, path, new), with_anchors=True)
            assert found.state in STATES
