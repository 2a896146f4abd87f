"""Made-up measurements, and the bounds that they break. The worst seed decides."""

from demos.the_slides.errata_digits import measure_classes

FAULTS = [(measure_classes, {}, ([10, 10], [6, 1]), ([20, 9], [7, 1]))]
