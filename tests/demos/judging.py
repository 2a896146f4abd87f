"""How a demo judges made-up runs: which of its bounds they miss."""

from types import SimpleNamespace

from demos.kit.claim import Claim


def judged(measure, *made_up, **settings):
    """The report of a full run that found this."""
    claim = Claim(SimpleNamespace(quick=False, data="glyphs"), settings)
    measure(claim, *made_up)
    return claim


def missed(measure, *made_up, **settings):
    """The bounds that a full run with these results misses."""
    return [name for name, holds in judged(measure, *made_up, **settings).holds.items() if not holds]
