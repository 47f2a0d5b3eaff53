"""Contracts as Ibis expressions: a table is verified and split by the engine it lies in."""
