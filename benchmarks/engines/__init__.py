"""What engines cost and whether they agree: `python -m benchmarks.engines --help`."""
