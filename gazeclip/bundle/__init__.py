"""The bundle format: an exported model with everything that an app must know (docs/bundle.md)."""
