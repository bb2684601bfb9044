"""The frozen gaze encoder's features of a split's images, computed once.

Without it the encoder runs in every step of every epoch.

A face looks where it looks under any augmentation but the mirror, so two versions are kept: the
plain image and its mirror image. What the encoder would see of crop jitter, noise or compression is
left out; `teacher.gaze_features: every_step` brings it back at the price of one encoder pass per
step.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gazeclip.console.progress import progress
from gazeclip.data.dataset import FaceDataset, batches, plain_keys
from gazeclip.files.arrays import open_array
from gazeclip.files.atomic import read_json, write_json
from gazeclip.files.hashes import fingerprint
from gazeclip.networks.weights import hash_networks
from gazeclip.run.context import Context
from gazeclip.system import ranks
from gazeclip.teacher.gaze.angles import mirror_doubt
from gazeclip.teacher.gaze.encoder import GazeEncoder, GazeFeatures

TOKENS = "tokens.npy"
ANGLES = "angles.npy"
DONE = "done.json"
NO_ROOM = "Free space, or use --set teacher.gaze_features=every_step"


class GazeStore:
    """Memory-mapped `tokens (N, 2, T, Cg)` float16 and `angles (N, 2, 2)` float32.

    The second axis is plain, mirrored.
    """

    def __init__(self, folder: Path) -> None:
        self.tokens = np.load(folder / TOKENS, mmap_mode="r")
        self.angles = np.load(folder / ANGLES, mmap_mode="r")

    def find_features(self, index: Tensor, flipped: Tensor) -> GazeFeatures:
        """Of images `index (B,)`, mirrored where `flipped (B,)` is true."""
        rows = index.cpu().numpy()
        side = flipped.cpu().numpy().astype(int)  # (B,): 0 as it is, 1 mirrored
        tokens = torch.from_numpy(self.tokens[rows, side]).to(index.device).float()  # (B, T, Cg)
        gaze = torch.from_numpy(self.angles[rows, side]).to(index.device)  # (B, 2)
        other = torch.from_numpy(self.angles[rows, 1 - side]).to(index.device)
        return GazeFeatures(tokens, gaze, mirror_doubt(gaze, other))


def store_name(context: Context, encoder: GazeEncoder, split: str) -> str:
    """What tells one store from another: encoder, images and their size.

    Several runs may keep theirs side by side.
    """
    facts = {
        "encoder": hash_networks(encoder),
        "data": context.run.output_hash("data"),
        "contract": context.contract.to_dict(),
    }
    return f"{split}-{fingerprint(facts)[:16]}"


@torch.inference_mode()
def build_gaze_store(
    encoder: GazeEncoder,
    dataset: FaceDataset,
    folder: Path,
    device: torch.device,
    batch_size: int = 64,
) -> GazeStore:
    """Fill `folder`, going on behind the last finished batch of a killed attempt.

    Every rank then reads it.
    """
    if ranks.is_main():
        folder.mkdir(parents=True, exist_ok=True)
        encoder.to(device)
        done = read_json(folder / DONE)["images"] if (folder / DONE).is_file() else 0
        keys = plain_keys(len(dataset))[done:]
        steps = math.ceil(len(keys) / batch_size)
        for batch in progress(batches(dataset, keys, batch_size), "gaze features", total=steps):
            pixels = batch["pixels"].to(device)
            sides = [encoder(pixels), encoder(pixels.flip(-1))]
            # Both sides of each image beside each other: (B, 2, T, Cg) and (B, 2, 2).
            tokens = torch.stack([side.tokens for side in sides], 1).half().cpu().numpy()
            angles = torch.stack([side.gaze for side in sides], 1).float().cpu().numpy()
            stop = done + len(tokens)
            for name, values in ((TOKENS, tokens), (ANGLES, angles)):
                shape = (len(dataset), *values.shape[1:])
                file = open_array(folder / name, shape, values.dtype, "gaze features", NO_ROOM)
                file[done:stop] = values
                file.flush()
            done = stop
            write_json(folder / DONE, {"images": done})
    ranks.barrier()
    return GazeStore(folder)
