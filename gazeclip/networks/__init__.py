"""Networks that are trained and shipped, and their weights."""
