"""Writes what was measured: HTML, Markdown, JSON, terminal."""
