"""Content credentials (C2PA): what a file says about where it comes from, and who signed that.

They stand beside a verdict and never enter it. Nothing is fetched from a network.
"""
