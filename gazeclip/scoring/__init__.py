"""From outputs to figures: metrics in NumPy, attribution, per generator."""
