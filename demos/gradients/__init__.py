"""Gradients: how they are computed, where those of a game lead, and where detach stops them."""
