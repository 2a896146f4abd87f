"""Tools that watch a step without changing it: `debug` finds nans, `profile` measures time, `trace` records everything."""
