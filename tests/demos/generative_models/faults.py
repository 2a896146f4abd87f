"""Made-up measurements, and the bounds that they break."""

FAULTS: dict[str, list] = {}
