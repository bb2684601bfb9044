"""Gaze encoders, and gaze as angles."""
