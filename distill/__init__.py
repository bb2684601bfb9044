"""Distillation: precomputed text bank, teacher cache, losses and the student's training."""
