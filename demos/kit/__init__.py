"""What demos of several chapters share: options, the training loop with its records, claims, pictures, data and networks."""
