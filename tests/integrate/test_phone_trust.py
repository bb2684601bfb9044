"""Which bundles the listings for telephones take: the rules stand there, and in that order."""

from __future__ import annotations

import re

import pytest

from gazeclip.bundle.layout import GOLDEN, TEXT_BANK
from tests.integrate.listings import PHONES, join_listings

pytestmark = pytest.mark.checkout
# What refuses, by language, up to the words that are thrown.
GATE = {
    "kotlin": 'meta.has("gate") && !meta.getJSONObject("gate").getBoolean("accepted")) {',
    "swift": 'meta["gate"].value != nil, try !meta["gate"]["accepted"].flag() {',
}
NAMES = {
    "kotlin": r'name\.split\("/"\)\.any \{ it in setOf\((.*?)\)',
    "swift": r'split\(separator: "/", omitting.*: false\)\n.*\[(.*?)\]\.contains\(\$0\)',
}
LISTED = {
    "kotlin": r"for \(name in listOf\((.*)\)\) \{\n.*if \(!files\.has\(name\)\) throw",
    "swift": r"guard hasModel, (.*) else \{\n +throw",
}
MODEL = {
    "kotlin": 'meta.getString("model_file")',
    "swift": 'hasModel = listed.contains { $0.hasPrefix(model + "/") }',
}
# Of a pinned bundle the very bytes are hashed that are parsed, and before they are.
PINNED = {
    "kotlin": (
        'meta = JSONObject(readPinned(File(folder, "bundle.json"), pin))',
        "val bytes = file.readBytes()",
        'getInstance("SHA-256").digest(bytes)',
        "if (pin != null && found != pin) throw",
        "return String(bytes, Charsets.UTF_8)",
        "class FaceJudge(",
        "Bundle(folder, pin)",
    ),
    "swift": (
        'data = try Data(contentsOf: folder.appendingPathComponent("bundle.json"))',
        "if let wanted = pin, hexSHA256(data) != wanted { throw",
        "try JSONSerialization.jsonObject(with: data)",
        "SHA256.hash(data: data)",
        "final class FaceJudge {",
        "try JudgeBundle(folder: folder, pin: pin)",
    ),
}


@pytest.mark.parametrize("guide", PHONES)
def test_a_pin_is_of_the_bytes_that_are_read(guide: str) -> None:
    code = join_listings(guide)
    steps = [code.index(step) for step in PINNED[PHONES[guide]]]
    assert steps == sorted(steps)


@pytest.mark.parametrize("guide", PHONES)
def test_what_the_gate_rejected_is_refused(guide: str) -> None:
    code = join_listings(guide)
    (_, then) = code.split(GATE[PHONES[guide]])
    assert then.split("(")[0].split() == ["throw", "BundleError"]


@pytest.mark.parametrize("guide", PHONES)
def test_names_that_leave_the_folder_are_refused_before_they_are_read(guide: str) -> None:
    code = join_listings(guide)
    (found,) = re.finditer(NAMES[PHONES[guide]], code)
    assert set(re.findall(r'"(.*?)"', found.group(1))) == {"", ".", ".."}
    refused = code.index("is no file of a bundle", found.end())
    assert refused < code.index("was changed")


@pytest.mark.parametrize("guide", PHONES)
def test_what_is_read_has_to_be_listed(guide: str) -> None:
    code = join_listings(guide)
    (needed,) = re.findall(LISTED[PHONES[guide]], code)
    assert {GOLDEN, TEXT_BANK} <= set(re.findall(r'"([^"]+)"', needed))
    assert MODEL[PHONES[guide]] in code
