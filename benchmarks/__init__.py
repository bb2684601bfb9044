"""Latency, accuracy and parity of the teacher, the student and its exported files, in one report."""
