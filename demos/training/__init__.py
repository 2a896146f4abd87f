"""Why the training of a GAN goes wrong, and the published remedies."""
