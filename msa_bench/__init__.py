"""msa-bench: an open implementation of Memory Sparse Attention and the harness that tests its claims."""

import os

__version__ = "0.1.0"

# bm25s imports JAX where that is installed, and JAX then takes three quarters of the memory of every GPU for itself.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
