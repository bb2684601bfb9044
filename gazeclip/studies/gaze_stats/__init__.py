"""Is the gaze of forged faces distributed differently from that of real ones? Measured per
generator, with tests and a figure.
"""
