"""The benchmark of the teacher's step: its comparator is open_clip, and every form has a ratio."""

from __future__ import annotations

import pytest
import torch

pytestmark = pytest.mark.slow  # a whole ViT-B/16, several times


def test_cutting_prompts_changes_no_embedding() -> None:
    from benchmarks.teacher_step import cut_to_longest
    from gazeclip.teacher.image.clip import open_clip

    clip = open_clip.create_model("ViT-S-32-alt").eval()
    tokens = open_clip.get_tokenizer("ViT-S-32-alt")(
        ["a photo of a real face", "the source generative model of this photo is StyleGAN"]
    )
    with torch.no_grad():
        whole = clip.encode_text(tokens)
        cut = cut_to_longest(clip, tokens)
        assert cut.shape[1] < 20 < tokens.shape[1]
        torch.testing.assert_close(clip.encode_text(cut), whole, rtol=1e-4, atol=1e-5)


def test_it_measures_every_form(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.teacher_step import CUT, FROZEN, STORED, TEACHER, WHOLE, main

    assert main(["--batch", "1", "--rounds", "1", "--gaze", "eth-xgaze"]) == 0
    lines = {line[2:42].strip(): line for line in capsys.readouterr().out.splitlines()[1:]}
    assert set(lines) == {WHOLE, CUT, TEACHER, STORED, FROZEN}
    assert "1.00 x open_clip" in lines[CUT]
