"""Near-identical pictures: candidates by embedding or code, confirmed by their pixels, in groups."""
