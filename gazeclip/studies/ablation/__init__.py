"""Which part of GazeCLIP earns its place (docs/ablation.md).

The same training with one switch changed, over seeds:

    gazeclip ablate recipes/demo.yaml --variants no-gaze,no-text --seeds 0,1,2
"""
