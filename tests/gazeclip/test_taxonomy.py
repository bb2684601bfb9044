"""The vocabulary: class order, groups, prompts, and all faults of a file at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from gazeclip.errors import ConfigError
from gazeclip.taxonomy import PRESETS, Taxonomy

ENTRIES = {
    "b_gan": {"title": "B", "category": "face_swap", "family": "gan"},
    "a_flow": {"category": "entire_synthesis", "family": "flow"},
    "new_gan": {"category": "face_swap", "family": "gan", "seen": False},
}


def test_real_is_first_and_the_file_order_is_the_class_order() -> None:
    taxonomy = Taxonomy.from_dict({"name": "t", "generators": ENTRIES})
    assert taxonomy.classes() == ("real", "b_gan", "a_flow")
    assert taxonomy.classes({"a_flow"}) == ("real", "a_flow")
    assert taxonomy.classes({"a_flow", "new_gan", "b_gan", "real"}) == ("real", "b_gan", "a_flow")
    assert "new_gan" in taxonomy
    assert "other" not in taxonomy
    assert taxonomy.group("new_gan") == taxonomy.group("b_gan") == ("face_swap", "gan")
    assert taxonomy.group("real") == ("real", "real")
    assert taxonomy.get("a_flow").title == "a_flow"


def test_prompts_go_from_coarse_to_fine() -> None:
    taxonomy = Taxonomy.from_dict({"generators": ENTRIES})
    real, fake, unseen = (taxonomy.prompts(name) for name in ("real", "b_gan", "new_gan"))
    assert len(real) == len(fake) == 4
    assert "real" in real[0]
    assert "fake" in fake[0]
    assert "identity swapped" in fake[1]
    assert "GAN" in fake[2]
    assert fake[3].endswith(" B")
    assert not any("fake" in prompt or "generated" in prompt for prompt in real)
    assert fake[:3] == unseen[:3]  # the same group differs in its source only
    assert fake[3] != unseen[3]


def test_all_faults_are_reported_together() -> None:
    entries = {
        "real": {"category": "face_swap", "family": "gan"},
        "x": {"category": "face_swop", "family": "gan"},
        "y": {"category": "real", "family": "gam"},
    }
    with pytest.raises(ConfigError) as caught:
        Taxonomy.from_dict({"generators": {**entries, "z": None}})
    message = caught.value.message
    for fault in (
        "'real' is always there",
        "x: category 'face_swop' (Did you mean 'face_swap'?)",
        "y: category 'real'",
        "y: family 'gam'",
        "z: category ''",
    ):
        assert fault in message


def test_a_list_for_a_category_is_a_fault_like_any_other() -> None:
    with pytest.raises(ConfigError, match=r"a: category '\['face_swap'\]'"):
        Taxonomy.from_dict({"generators": {"a": {"category": ["face_swap"], "family": "gan"}}})


def test_a_misspelt_key_is_refused_where_it_stands() -> None:
    held = {"category": "face_swap", "family": "gan", "sen": False}
    with pytest.raises(ConfigError) as caught:
        Taxonomy.from_dict({"generators": {"a": held}, "titel": "mine", 7: None})
    message = caught.value.message
    for fault in ("a: unknown key 'sen' (Did you mean 'seen'?)", "unknown key 'titel'", "'7'"):
        assert fault in message


@pytest.mark.parametrize("seen", ["false", "true", 0, 1, None, []])
def test_seen_is_a_boolean_of_yaml_and_nothing_that_looks_like_one(seen: object) -> None:
    entry = {"category": "face_swap", "family": "gan", "seen": seen}
    with pytest.raises(ConfigError, match=r"a: seen is .* must be true or false"):
        Taxonomy.from_dict({"generators": {"a": entry}})


@pytest.mark.parametrize(("text", "seen"), [("false", False), ("no", False), ("true", True)])
def test_seen_is_read_from_a_file(tmp_path: Path, text: str, seen: bool) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"generators: {{a: {{category: face_swap, family: gan, seen: {text}}}}}\n")
    assert Taxonomy.load(str(path)).get("a").seen is seen


@pytest.mark.parametrize("data", [None, [], {}, {"generators": []}, {"generators": {}}])
def test_not_a_taxonomy(data: object) -> None:
    with pytest.raises(ConfigError, match="no 'generators'"):
        Taxonomy.from_dict(data)


def test_loading(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown taxonomy 'demp'") as caught:
        Taxonomy.load("demp")
    assert "'demo'" in str(caught.value.remedy)
    with pytest.raises(ConfigError, match="cannot read"):
        Taxonomy.load(str(tmp_path / "none.yaml"))
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match="cannot read"):
        Taxonomy.load(str(tmp_path / "bad.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read") as caught:
        Taxonomy.load(str(tmp_path / "bytes.yaml"))
    assert "\n" not in str(caught.value)
    copy = tmp_path / "copy.yaml"
    copy.write_text((PRESETS / "demo.yaml").read_text())
    assert Taxonomy.load(str(copy)) == Taxonomy.load("demo")


def test_unknown_generator_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown generator") as caught:
        Taxonomy.load("demo").group("swap_gam")
    assert "'swap_gan'" in str(caught.value.remedy)


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.yaml")))
def test_presets_are_sound(preset: str) -> None:
    taxonomy = Taxonomy.load(preset)
    names = [generator.name for generator in taxonomy.generators]
    assert len(set(names)) == len(names) > 2
    assert len({taxonomy.prompts(name)[3] for name in names}) == len(names)


def test_the_hash_follows_meaning_and_order() -> None:
    base = Taxonomy.from_dict({"generators": ENTRIES})
    assert Taxonomy.from_dict({"name": "other", "generators": ENTRIES}).hash == base.hash
    assert Taxonomy.from_dict({"generators": dict(reversed(ENTRIES.items()))}).hash != base.hash
    assert (
        Taxonomy.from_dict(
            {"generators": {**ENTRIES, "b_gan": {**ENTRIES["b_gan"], "family": "flow"}}}
        ).hash
        != base.hash
    )


def test_description_for_bundles() -> None:
    described = Taxonomy.from_dict({"generators": ENTRIES}).describe(["real", "b_gan"])
    assert described[1] == {"name": "b_gan", "title": "B", "category": "face_swap", "family": "gan"}
    assert described[0]["name"] == "real"
