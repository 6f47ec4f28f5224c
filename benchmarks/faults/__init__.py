"""Faults injected below transhash: calls to the system that fail, power cuts, and memory that is not there."""
