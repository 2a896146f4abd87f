"""The slides' own sentences, taken literally."""
