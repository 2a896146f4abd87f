"""Why the training of a GAN goes wrong, and what is advised against that."""
