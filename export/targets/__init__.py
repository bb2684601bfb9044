"""One module for each export target."""
