"""Faces of a picture: letterbox, network, threshold, and one box for each face."""

from __future__ import annotations

import numpy as np
from PIL import Image

from runtimes.faces.box import FaceBox
from runtimes.faces.letterbox import fit_into_square
from runtimes.faces.merge import merge_boxes
from runtimes.faces.network import INPUT_SIZE, load_network

MIN_SCORE = 0.5  # the detector's own library takes this one
# Pixels of the square that stay black on each side. Without them no box reaches beyond the edge at
# which a face is cut off, and a half face would look like a small one.
MARGIN = 16
LOOK_SIDE = INPUT_SIZE - 2 * MARGIN  # pixels of a picture's longer side that the network sees


class FaceDetector:
    """The network in memory. May be shared between threads.

    `FaceDetector().find(picture)` takes an RGB `PIL.Image`.
    """

    def __init__(self, threads: int = 1, wish: str | None = None) -> None:
        """Load the network.

        Args:
            wish: `onnxruntime` or `openvino`, taken if it is installed.

        Raises:
            MissingDependencyError: neither is installed.
            ArtifactError: the network's file is damaged.
        """
        self.library, self._network = load_network(threads, wish)

    def find(self, picture: Image.Image) -> list[FaceBox]:
        """Faces of an upright RGB picture, the largest first."""
        square = fit_into_square(picture, INPUT_SIZE, MARGIN)
        boxes, points, scores = self._network(square.pixels)
        sure = scores >= MIN_SCORE  # (N,)
        if not sure.any():
            return []
        boxes, points, scores = merge_boxes(boxes[sure], points[sure], scores[sure])
        corners = square.find_in_picture(boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        places = square.find_in_picture(points)  # (M, 5, 2)
        faces = []
        for row in np.argsort(-(corners[:, 2:] - corners[:, :2]).prod(axis=1), kind="stable"):
            x0, y0, x1, y1 = corners[row].tolist()
            spots = tuple((x, y) for x, y in places[row].tolist())
            faces.append(FaceBox((x0, y0, x1, y1), spots, float(scores[row])))
        return faces
