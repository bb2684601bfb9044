"""Which part of GazeCLIP earns its place: the same training with one switch changed, over seeds
(docs/ablation.md).
"""
