"""Near-identical pictures: candidates by code, confirmed by their pixels, in groups."""
