"""msa-bench: an open implementation of Memory Sparse Attention and the harness that tests its claims."""

__version__ = "0.1.0"
