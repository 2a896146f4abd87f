"""The game of G against D: its algorithm, its theory, and how far practice follows the theory."""
