"""Training data as text: questions, the documents they rest on, and answers; tokens are made of them elsewhere."""

from msa_bench.training.episodes.episode import NOT_IN_MEMORY, Episode
from msa_bench.training.episodes.mix import DEFAULT_WEIGHTS, episodes

__all__ = ["DEFAULT_WEIGHTS", "NOT_IN_MEMORY", "Episode", "episodes"]
