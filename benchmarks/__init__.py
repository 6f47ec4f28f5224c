"""Programs that measure transhash: `python -m benchmarks.search.compare`, from the root of the repository."""
