"""Images and labels: manifests, splits, augmentations, data sets for training."""
