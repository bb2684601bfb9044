"""GazeCLIP Edge: the model and its task. Kept free of heavy imports; see docs/architecture.md."""

__version__ = "0.1.0"
