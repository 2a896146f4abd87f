"""The commands of `python -m demos`: each file here is one of them."""
