"""The Wasserstein distance, the critics that estimate it, and games that circle or converge."""
