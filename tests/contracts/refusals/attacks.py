"""What the attacks refuse. Numbers out of bounds are in `tests/contracts/test_numbers.py`."""

import numpy as np

from minigan import attacks, data, nn
from tests.attacks.victims import dense, images
from tests.contracts.refusals import each

X, Y = images()
NAN = np.where(np.arange(180).reshape(X.shape) == 7, np.nan, X)
MODEL = dense()
G = nn.Sequential(nn.Dense(4, 36), nn.Reshape(1, 6, 6))
LABELLED = {  # calls with inputs and labels
    "fgsm": lambda x, y, **options: attacks.fgsm(MODEL, x, y, 0.1, **options),
    "minimal_perturbation": lambda x, y, **options: attacks.minimal_perturbation(MODEL, x, y, **options),
    "fooling_images": lambda x, y, **options: attacks.fooling_images(MODEL, x, y, **options),
}
INPUTS = [
    row
    for name, call in LABELLED.items()
    for row in [
        *each([X + 1, X - 0.5, NAN], ValueError, f"{name}: x has values .*, outside clip=.*; pass the range",
              lambda x, call=call: call(x, Y)),
        (lambda call=call: call((255 * X).astype("u1"), Y), TypeError, f"{name}: x is uint8; expected floats, such as pixels"),
        *each([[0, 1], np.arange(6) % 4, []], ValueError, rf"{name}: y has \d labels for 5 inputs; expected one for each",
              lambda y, call=call: call(X, y)),
    ]
]  # fmt: skip


def apply(patch=(1, 2, 2), x=X, **options):
    return attacks.apply_patch(x, np.zeros(patch), **{"share": 0.1, "angle": 0, **options})


def train(**options):
    return attacks.adversarial_patch(MODEL, **{"x": X, "target": 0, "share": 0.1, "steps": 1, **options})


REFUSED = [
    *INPUTS,
    *each([np.zeros((5, 1), int), np.full(5, 4), np.full(5, 0.5)], (ValueError, TypeError), "cross_entropy: ",
          lambda y: attacks.fgsm(MODEL, X, y, 0.1)),
    (lambda: attacks.pgd(MODEL, X, Y, 0.1, rng=3), TypeError, "rng is 3; expected a generator"),
    (lambda: attacks.pgd(MODEL, X, Y, 0.1, loss="l1"), TypeError, "loss is a str; expected a function"),
    (lambda: attacks.fgsm("model", X, Y, 0.1), TypeError, "the model is a str; expected a Module"),
    (lambda: attacks.rubbish(3), TypeError, "rubbish: shape is 3; expected sizes"),
    (lambda: attacks.fooled(MODEL, 5), ValueError, r"fooled: x has shape \(\)"),
    (lambda: attacks.fgsm(MODEL, X, [[0], [0, 1]], 0.1), ValueError, "fgsm: y is not an array of labels"),
    (lambda: attacks.project(lambda z: None, X, data.noise(4)), ValueError, "project: G returns a NoneType"),
    (lambda: attacks.fgsm(MODEL, X, Y, 0.1, clip=3), ValueError, r"fgsm: clip is 3; expected \(low, high\), or None"),
    (lambda: attacks.patch_success(MODEL, X, 1, np.zeros((1, 2, 2)), 1, 0.1), ValueError, r"patch_success: x .*, y \(\);"),
    (lambda: attacks.rubbish((3, 4), "pink"), ValueError, "choose one of"),
    (lambda: attacks.project(G, X[:, :, :5], data.noise(4), steps=1), ValueError, "expected images of x's shape"),
    (lambda: attacks.project(G, X, 4), TypeError, "project: prior is 4; expected a function"),
    (lambda: apply(share=0.6, angle=22.5), ValueError, "share 0.6 does not fit"),
    # at 45 degrees and beyond, the diagonal decides: the square has half the area of the image
    *each([45, 180], ValueError, "0.501 does not fit",
          lambda angle: (apply(share=0.499, angle=angle), apply(share=0.501, angle=angle))),
    *each([{"size": 0}, {"clip": (0.0, 0.3)}, {"clip": None}, {"x": X[:0]}, {"x": X[0]}], ValueError, "adversarial_patch: ",
          lambda options: train(**options)),
    (lambda: attacks.patch_success(MODEL, X, Y[:2], np.zeros((1, 2, 2)), 0, 0.1), ValueError, "y has 2 labels for 5"),
]  # fmt: skip
