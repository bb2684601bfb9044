"""Procedural faces: people with known gaze, and forgeries of them by eleven generators.

NumPy and Pillow only. Every picture follows from a seed:

```python
shot, photo = render_one("swap_gan", size=96, seed=0)   # photo: uint8 (96, 96, 3)
manifest = write_dataset(Path("faces"), FacesConfig(size=96))
```
"""

from gazeclip.faces.dataset import render_golden, render_one, write_dataset

__all__ = ["render_golden", "render_one", "write_dataset"]
