"""Procedural faces: the embedded data set with identities, gaze labels, and forgeries by eleven
generators (NumPy + Pillow).
"""

from gazeclip.faces.dataset import render_golden, render_one, write_dataset

__all__ = ["render_golden", "render_one", "write_dataset"]
