"""Is the gaze of forged faces distributed differently from that of real ones? (docs/gaze_stats.md).

Measured per generator, with tests and a figure:

    gazeclip gaze-stats manifest.csv --gaze eth-xgaze --weights FILE
"""
