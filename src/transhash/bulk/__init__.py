"""Encoding in bulk: a collection of any size to Parquet files of codes, on this machine or on a Ray cluster."""

from __future__ import annotations

from transhash.bulk.encode import encode
from transhash.bulk.plan import Report

__all__ = ["Report", "encode"]
