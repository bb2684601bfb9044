"""The verification page (`apps/web`): built around a bundle, and served to this machine."""
