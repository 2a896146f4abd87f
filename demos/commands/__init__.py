"""The commands of `python -m demos`: one file each."""
