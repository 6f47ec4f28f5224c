"""Training: the recipe (every setting), the loop, and checkpoints it resumes from exactly (needs torch)."""
