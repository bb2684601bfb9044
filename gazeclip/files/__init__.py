"""Reading and writing: atomic files, hashes, tensors, disk faults, strict YAML.

```python
write_json(folder / "facts.json", {"images": 8})   # whole or not at all
save_tensors(folder / "model.safetensors", model.state_dict(), meta={"kind": "student"})
```
"""
