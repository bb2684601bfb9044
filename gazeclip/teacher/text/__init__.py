"""The language refinement encoder and its adaptive word selector."""
