"""Other networks in the same rounds, and the machine's own limits: `benchmark --peers`."""
