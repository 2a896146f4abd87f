"""Reverse-mode automatic differentiation. Read `tensor` first: a Tensor, `record`, and the backward pass."""
