"""Training data as text: questions, the documents they rest on, and answers; tokens are made of them elsewhere."""

from msa_bench.training.episodes.episode import Episode
from msa_bench.training.episodes.mix import DEFAULT_WEIGHTS, episodes

__all__ = ["DEFAULT_WEIGHTS", "Episode", "episodes"]
