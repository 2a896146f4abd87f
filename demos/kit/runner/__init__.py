"""What runs the demos, and nobody has to read to understand one: options, checkpoints, processes, folders, results."""
