"""minigan's tests of gradients, applied to other engines."""
