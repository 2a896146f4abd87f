"""The machinery that runs the demos: options, checkpoints, processes, folders, results. No demo's idea is in here."""
