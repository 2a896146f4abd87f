"""What can watch a step without changing it: `debug` looks for nans, `profile` measures, `trace` records all of it."""
