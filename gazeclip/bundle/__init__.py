"""The bundle format: an exported model with everything that an app must know (docs/bundle.md).

```python
bundle = Bundle.load("runs/demo/export/onnx")   # every hash is checked
point = bundle.operating_point("fpr1")
```
"""
