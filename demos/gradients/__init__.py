"""Gradients: what a derivative is to a network, and what detach does."""
