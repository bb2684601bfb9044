"""Images from files: formats, depths, orientation, the pixel contract, walks through folders.

```python
for path in find_images(Path("faces")).images:
    pixels = PixelContract(224).apply(path)   # uint8 RGB (224, 224, 3)
```
"""
