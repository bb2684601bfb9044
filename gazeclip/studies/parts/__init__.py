"""What each part of a trained teacher does (docs/parts.md).

Parts are switched off at test time, one at a time, and nothing is trained:

    gazeclip parts --run runs/demo
"""
