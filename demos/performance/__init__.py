"""The cost of an iteration, in minigan and in other engines."""
