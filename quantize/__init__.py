"""Quantization of the student's encoder with NNCF: calibration, then quantization-aware
distillation.
"""
