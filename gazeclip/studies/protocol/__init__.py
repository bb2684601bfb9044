"""Protocol P1 to P4 (docs/protocol.md)."""
