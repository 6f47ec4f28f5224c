"""Losses that learn hash codes, one file a method (needs torch)."""

from transhash.losses.bayesian import BayesianLoss

__all__ = ["BayesianLoss"]
