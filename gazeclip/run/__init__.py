"""A run folder and its rules: stages, lock, skipping, resuming, publishing."""
