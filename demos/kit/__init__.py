"""Code that demos of several chapters share: options, the training loop, claims, pictures, data and networks."""
