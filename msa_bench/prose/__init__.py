"""Seeded prose without end, for haystacks and for training."""

from msa_bench.prose.writer import Prose, fitted_prose

__all__ = ["Prose", "fitted_prose"]
