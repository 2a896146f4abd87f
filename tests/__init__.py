"""minigan's tests: a mirror of minigan/ and demos/, folder by folder."""
