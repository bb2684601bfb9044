"""Quantization of the student's encoder with NNCF: calibration, then distillation through it.

encoder = quantize_encoder(student.encoder, batches, overflow_fix=True)  # quantize.encoder
model = student.with_encoder(encoder)  # to be trained further, or exported
"""
