"""Checking gradients: minigan's tests of gradients, turned on other engines."""
