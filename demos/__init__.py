"""Demonstrations: each shows one thing, by a number and a picture. `python -m demos` lists them."""
