"""What is saved of a game: `attributes`, its state; `files`, a whole game as a file."""
