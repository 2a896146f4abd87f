"""Long runs that try to break minigan: python -m pytest -m stress."""
