"""What an iteration costs, in minigan and in other engines."""
