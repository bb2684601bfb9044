"""Copies of pictures with what was said of them drawn in: box, verdict, evidence, generator."""
