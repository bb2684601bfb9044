"""Questions put to trained models and data: protocol, ablation, gaze statistics."""
