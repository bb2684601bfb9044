"""Evaluates a saved Core ML program where Core ML itself does not run.

evaluate(folder / "model.mlpackage", images)["logits"]  # (B, C)
"""
