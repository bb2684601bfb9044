"""What a converter raises passes, whatever it has printed before."""

from __future__ import annotations

import pytest

from export.quiet import quiet


def test_a_stray_byte_in_its_talk_does_not_replace_what_a_converter_raises(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ValueError, match="its own"), quiet():
        print("model \udcff.bin")
        raise ValueError("its own")
    assert capfd.readouterr().err == "model \\udcff.bin\n"


def test_talk_is_held_back_where_all_goes_well(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("progress")
    assert capfd.readouterr() == ("", "")
