"""What the demos share: options, the training loop with its records (`run`), and pictures (`pictures`)."""
