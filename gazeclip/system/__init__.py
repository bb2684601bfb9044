"""The machine and its packages: processors, memory, threads, ranks, optional imports, privacy.

```python
onnx = require("onnx", extra="onnx")   # or an error that says how to install it
usable_threads()                       # what the container's quota allows
```
"""
