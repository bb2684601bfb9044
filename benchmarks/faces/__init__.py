"""What finding faces costs and how well it works: `python -m benchmarks.faces --help`."""
