"""Recipes: one frozen dataclass per stage, one YAML file for all."""
