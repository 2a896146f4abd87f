"""The slides' own sentences, taken to the letter."""
