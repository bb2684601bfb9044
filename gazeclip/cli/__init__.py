"""What every command line here shares: the commands, common options, one guard around all of them.

```python
guard(main)                                         # errors as one line, exit codes
run_verb("export", ["--list"], "python -m export")  # what a package's own door does
```
"""
