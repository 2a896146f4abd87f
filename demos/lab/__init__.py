"""The laboratory table: a page on which a class plays the game, on the engine itself: `python -m demos lab`."""
