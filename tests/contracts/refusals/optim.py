"""What the optimizers refuse. Numbers out of bounds are in `tests/contracts/test_numbers.py`."""

import numpy as np

from minigan import Tensor, nn, optim
from tests.contracts.refusals import each
from tests.contracts.rules import RULES
from tests.helpers.ranks import Comm
from tests.optim.stepping import parameter, step

NO_PARAMETERS = [
    ([], ValueError, r"NAME: no parameters; pass module\.parameters\(\)"),
    (nn.Dense(1, 1), TypeError, r"NAME: params is a Dense; expected .* \(module\.parameters\(\)\)"),
    ([np.ones(3)], TypeError, "NAME: parameter 0 is a ndarray; expected a Tensor"),
    ([Tensor(np.arange(3))], ValueError, r"NAME: parameter 0 \(int64\) is not a leaf with requires_grad=True"),
    ([parameter(), parameter() * 2], ValueError, "NAME: parameter 1 .* is not a leaf with requires_grad=True"),
]
A = np.linspace(-1, 1, 40_000).reshape(200, 200)  # halves of it are too large to be joined
SHARED = {
    "one array": (A, A),
    "overlapping halves": (A[:120], A[80:]),
    "one buffer": [np.frombuffer(buffer) for buffer in [bytearray(A)] * 2],
}
DIVIDING = [optim.Adam, optim.OptimisticAdam, optim.RMSProp]  # by something + eps


def share(views):
    first, second = (Tensor(a, requires_grad=True, name=name) for a, name in zip(views, "ab", strict=True))
    optim.Adam([first, parameter(), second])


def in_float16(rule):
    """The second step with an eps that is 0 there."""
    optimizer = rule([parameter(dtype="float16")], lr=0.1, eps=1e-4)
    step(optimizer, [0, 0, 0])
    optimizer.eps = 1e-8
    step(optimizer, [0, 0, 0])


def load(make):
    """The state of a rule, after a step, into one whose second parameter has another shape."""
    saved, other = (make([parameter([1]), parameter(v)]) for v in ([1, 2], [1]))
    step(saved, [1], [1, 2])
    other.load_state_dict(saved.state_dict())


TAKERS = {type(rule.make([parameter()])).__name__: rule.make for rule in RULES.values()}
TAKERS["clip_weights"] = lambda params: optim.clip_weights(params, 0.1)
TAKERS["clip_gradient_norm"] = lambda params: optim.clip_gradient_norm(params, 0.1)
P = parameter()
GROUPS = [  # (the groups, lr, the message)
    ([{"lr": 0.1}], 0.1, r'0 has \[\'lr\'\]; expected {"params": ..., "lr": ...}'),
    ([{"params": P, "momentum": 0.9}], 0.1, r"0 has \['momentum', 'params'\]; expected"),
    ([{"params": [P]}, P], 0.1, "1 is a Tensor; expected"),
    ([{"params": [P]}, {"params": []}], 0.1, r"1: no parameters; pass module\.parameters\(\)"),
    ([{"params": [parameter(), P]}, {"params": P}], 0.1, "1 and group 0 share a parameter, tensor 'theta' .*; each belongs"),
    ([{"params": P, "lr": 0.2}], 0, "0 has lr 0.2, and SGD lr 0; set an lr above 0: groups keep their ratio to it"),
]
SGD = optim.SGD([parameter()], 0.1)
REFUSED = [
    *[
        (lambda take=take, params=params: take(params), error, match.replace("NAME", name))
        for name, take in TAKERS.items()
        for params, error, match in NO_PARAMETERS
    ],
    *[(lambda groups=groups, lr=lr: optim.SGD(groups, lr), ValueError, f"^SGD: group {match}") for groups, lr, match in GROUPS],
    *each(SHARED.values(), ValueError, "parameters 0, tensor .*, and 2, tensor .*, share memory: .*one Tensor for", share),
    *[(lambda rule=rule: in_float16(rule), ValueError, f"^{rule.__name__}: eps=1e-08 is 0 in float16") for rule in DIVIDING],
    *each([0.9, (0.9,), (0.9, 0.9, 0.9)], ValueError, "Adam: betas is .*; expected two numbers",
          lambda betas: optim.Adam([parameter()], betas=betas)),
    (lambda: step(optim.Optimizer([parameter()], 0.1), [1, 1, 1]), NotImplementedError, "Optimizer has no update"),
    # saved states
    *[(lambda make=rule.make: load(make), ValueError,
       r"load_state_dict: params\.1\.\w+ has shape \(1,\), the state \(2,\)") for name, rule in RULES.items() if name != "sgd"],
    # what goes around the rules
    *[row for schedule in (optim.LinearDecay, optim.Cosine, optim.Lookahead) for row in each(
          [None, [], [None], "SGD"], ValueError, f"^{schedule.__name__}: optimizers is .*; expected an Optimizer, or a list",
          lambda optimizers, schedule=schedule: schedule(optimizers, 10))],
    (lambda: optim.schedule.Schedule(SGD, 10).step(), NotImplementedError, "Schedule has no factor"),
    (lambda: optim.Averaged(lambda: None, Comm()), TypeError, "^Averaged: optimizer is a function; expected one, such as Adam"),
    (lambda: optim.Averaged(SGD, Comm()).check_state_dict({"lr": 1.0, "rule": "SGD", "momentum": 0.0}, "opt_G"), ValueError,
     r"opt_G: missing \['params'\]"),
]  # fmt: skip
