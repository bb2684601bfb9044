"""Requests by the thousand against a server process, and what came back."""
