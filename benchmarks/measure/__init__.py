"""Measures accuracy and latency of subjects."""
