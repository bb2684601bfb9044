"""Procedural faces: the embedded data set with identities, gaze labels, and forgeries by eleven generators (NumPy + Pillow)."""

from gazeclip.data.faces.dataset import FacesConfig, render_golden, render_one, write_dataset

__all__ = ["FacesConfig", "render_golden", "render_one", "write_dataset"]
