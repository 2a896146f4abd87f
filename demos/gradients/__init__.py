"""What a gradient is, where a game's gradients lead, and what detach keeps them from."""
