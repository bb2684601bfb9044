"""The machine and its packages: processors, memory, threads, ranks, optional imports, privacy."""
