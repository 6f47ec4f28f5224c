"""Runs of the field's experiments: a model measured under a protocol."""

from transhash.comparison.measure import Measured, measure

__all__ = ["Measured", "measure"]
