"""Generative models other than the GAN, and the meaning of their codes and of G's noise z."""
