"""The playground: a page in the browser on which a class plays the GAN game. `python -m demos lab` opens it."""
