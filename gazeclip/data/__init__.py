"""Images and labels: manifests, splits, augmentations, data sets for training.

```python
manifest = read_manifest(Path("faces/manifest.csv"), Taxonomy.load("demo"))   # all faults at once
train = FaceDataset(manifest, "train", PixelContract(96), manifest.classes)
```
"""
