"""What a gaze encoder gives can be picked from and joined."""

from __future__ import annotations

import torch

from gazeclip.teacher.gaze.encoder import GazeFeatures


def test_features_select_and_cat():
    features = GazeFeatures(torch.arange(12.0).view(3, 2, 2), torch.arange(6.0).view(3, 2))
    joined = GazeFeatures.cat(
        [features.select(torch.tensor([2])), features.select(torch.tensor([0, 1]))]
    )
    assert torch.equal(joined.gaze, features.gaze[[2, 0, 1]])
    assert torch.equal(joined.tokens, features.tokens[[2, 0, 1]])
