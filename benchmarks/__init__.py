"""Latency, accuracy and parity of teacher, student and exported files, in one report.

python -m benchmarks --run runs/demo  # writes runs/demo/report/report.html
"""
