"""Verdicts over HTTP: a small server for one machine, without a line about what it is shown.

`runtimes/commands/serve.py` is the way in. The packages of the extra `serve` are imported here and
nowhere else.
"""
