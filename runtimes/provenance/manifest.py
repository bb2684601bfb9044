"""From the manifest store that the C2PA library prints as JSON to `Credentials`.

Signed by whom it may, a manifest holds what its maker chose: no key need be there, and none need
be of the kind that the specification asks for (C2PA 2.2, https://spec.c2pa.org).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from runtimes.provenance.credentials import BROKEN, UNREADABLE, VALID, Credentials

# IPTC NewsCodes "digital source type": made by a generative model, wholly or in part.
AI_SOURCES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia")
# The signer leads to no anchor. That is no fault of the file, and has a field of its own.
UNTRUSTED = "signingCredential.untrusted"
_STATES = {"Trusted": VALID, "Valid": VALID, "Invalid": BROKEN}
# Ingredients that the picture was made of. Of others (`inputTo`) nothing need be seen in it.
_PARTS = ("parentOf", "componentOf")


def read_store(store: Any, with_anchors: bool) -> Credentials:
    """What a manifest store says, by its active manifest.

    Args:
        store: the parsed JSON.
        with_anchors: whether trust anchors were named.
    """
    data = _mapping(store)
    state = _STATES.get(_text(data.get("validation_state")) or "")
    manifests = _mapping(data.get("manifests"))
    active = _text(data.get("active_manifest")) or ""
    if state is None or active not in manifests:
        return Credentials(UNREADABLE, reason="the library gives no state, or no active manifest")
    manifest = _mapping(manifests[active])
    signature = _mapping(manifest.get("signature_info"))
    sources = tuple(dict.fromkeys(_find_sources(manifests, active)))
    return Credentials(
        state=state,
        signer=_text(signature.get("common_name")),
        organisation=_text(signature.get("issuer")),
        signed_at=_text(signature.get("time")),
        trusted=_is_trusted(data) if with_anchors else None,
        claim_generator=_name_generator(manifest),
        source_types=sources,
        says_ai_made=any(source in AI_SOURCES for source in sources),
        faults=_find_faults(data),
    )


def _is_trusted(data: dict[str, Any]) -> bool:
    results = _mapping(_mapping(data.get("validation_results")).get("activeManifest"))
    passed = {_text(_mapping(entry).get("code")) for entry in _items(results.get("success"))}
    return "signingCredential.trusted" in passed


def _find_faults(data: dict[str, Any]) -> tuple[str, ...]:
    """Codes of what failed in the active manifest and, since it was signed, in its ingredients."""
    results = _mapping(data.get("validation_results"))
    parts = [_mapping(results.get("activeManifest"))]
    for delta in _items(results.get("ingredientDeltas")):
        parts.append(_mapping(_mapping(delta).get("validationDeltas")))
    codes = []
    for part in parts:
        codes += [_text(_mapping(entry).get("code")) for entry in _items(part.get("failure"))]
    return tuple(dict.fromkeys(code for code in codes if code and code != UNTRUSTED))


def _name_generator(manifest: dict[str, Any]) -> str | None:
    """Name and version of the program that wrote a manifest."""
    for entry in _items(manifest.get("claim_generator_info")):
        info = _mapping(entry)
        words = [_text(info.get("name")), _text(info.get("version"))]
        return " ".join(word for word in words if word) or None
    return _text(manifest.get("claim_generator"))


def _find_sources(manifests: dict[str, Any], active: str) -> Iterator[str]:
    """Source types in the actions of a manifest, and of those that its picture was made of."""
    waiting = [active]
    seen = set()
    while waiting:
        label = waiting.pop(0)
        if label in seen:  # a hostile store may go round in circles
            continue
        seen.add(label)
        manifest = _mapping(manifests.get(label))
        for assertion in _items(manifest.get("assertions")):
            yield from _read_actions(_mapping(assertion))
        for entry in _items(manifest.get("ingredients")):
            ingredient = _mapping(entry)
            parent = _text(ingredient.get("active_manifest"))
            if ingredient.get("relationship") in _PARTS and parent:
                waiting.append(parent)


def _read_actions(assertion: dict[str, Any]) -> Iterator[str]:
    """The last part of each source type, such as `digitalCapture`, in an assertion of actions."""
    if not (_text(assertion.get("label")) or "").startswith("c2pa.actions"):
        return
    data = _mapping(assertion.get("data"))
    for key in ("actions", "templates"):
        for action in _items(data.get(key)):
            source = _text(_mapping(action).get("digitalSourceType"))
            if source:
                yield source.rstrip("/").rpartition("/")[2]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
