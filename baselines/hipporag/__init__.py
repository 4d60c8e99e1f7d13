"""Graph retrieval in the manner of HippoRAG 2 (Gutierrez et al. 2025), with a choice of what reads the facts."""
