"""How the model in the box was made; `python -m benchmarks.photographs.box` makes it."""
