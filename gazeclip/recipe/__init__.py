"""Recipes: one frozen dataclass per stage, one YAML file for all.

```python
recipe = load_recipe(Path("recipes/demo.yaml"), ["student.train.epochs=3"])
recipe.student.train.epochs   # 3; whatever the file leaves out has its default
```
"""
