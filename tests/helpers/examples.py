"""How many examples Hypothesis draws where there is little to choose from."""

from hypothesis import settings

few = settings(max_examples=max(1, settings().max_examples * 2 // 5))
fewer = settings(max_examples=max(1, settings().max_examples // 4))
fewest = settings(max_examples=max(1, settings().max_examples // 6))  # where one example holds nearly all that there is
