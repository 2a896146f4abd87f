"""The former place of `results.write_history`."""

from demos.kit.runner.results import write_history as write_history
