"""What frozen CNNs give is kept once, and a disk that cannot hold it is told in one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gazeclip.errors import ArtifactError
from gazeclip.stages.cnn_store import CnnStore
from gazeclip.teacher.image.hybrid import Seen


class Tower:
    """Stands for a HybridTower: its features are sums of the pixels."""

    def __init__(self) -> None:
        self.looked = 0

    def see_frozen(self, pixels: Tensor) -> Seen:
        self.looked += len(pixels)
        sums = pixels.flatten(1).sum(1)
        return Seen(*(torch.stack([sums + place, sums], 1) for place in range(len(Seen._fields))))


def test_what_was_seen_is_found_again_by_another_process(tmp_path: Path) -> None:
    tower: Any = Tower()
    pixels = torch.arange(12.0).reshape(3, 1, 2, 2)
    index = torch.tensor([4, 0, 2])
    seen = CnnStore(tower, tmp_path / "s", 5).find_seen(index, pixels)
    again = CnnStore(tower, tmp_path / "s", 5).find_seen(index.flip(0), pixels)
    assert tower.looked == 3
    for part, other in zip(seen, again, strict=True):
        torch.testing.assert_close(part.flip(0), other, rtol=0, atol=0)


def test_a_disk_without_room_is_one_line_and_no_bus_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    tower: Any = Tower()
    with pytest.raises(ArtifactError, match=r"no room for .* what the frozen CNNs give in .*space"):
        CnnStore(tower, tmp_path / "s", 5)
    assert list((tmp_path / "s").iterdir()) == []
