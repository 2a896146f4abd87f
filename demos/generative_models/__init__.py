"""Generative models beside the GAN, and what their codes and G's noise z mean."""
