"""From outputs to figures: metrics in NumPy, attribution, per generator.

```python
outputs = SplitOutputs(fake_logit, logits, labels)   # (N,), (N, C), N names
roc_auc(outputs.is_fake, outputs.fake_logit)
```
"""
