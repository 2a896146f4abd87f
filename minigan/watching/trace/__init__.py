"""The record of a step: `mg.trace`. `recorder` watches and writes `rows`; the rest of the package shows them."""
