"""Every argument that is a number: a value that is not a number, or out of bounds, is refused by name, at once."""

import math
from fractions import Fraction

import numpy as np
import pytest

import minigan as mg
from minigan import attacks, checks, data, games, metrics, nn, optim
from tests.helpers.leaves import leaf

NO_NUMBERS = [None, "1", True, math.nan, math.inf, -math.inf, 1j, [1], np.array([1.0]), np.array(1.0), mg.Tensor(1.0)]


def images(n=2):
    return np.full((n, 1, 6, 6), 0.5, np.float32)


def see(x):
    """A classifier of three classes."""
    return x.reshape(len(x), -1)[:, :3] * 3.0


def one(rule, **options):
    return rule([leaf()], **{"lr": 0.1} | options)


def play(kind, **options):
    G, D = nn.Dense(2, 2), nn.Dense(2, 2 if kind is games.BEGAN else 1)
    return kind(G, D, data.noise(2), *[optim.SGD(network.parameters(), 0.1) for network in (G, D)], **options)


def attack(name, *args, **defaults):
    """A call of this attack with one more option."""
    return lambda **options: getattr(attacks, name)(*args, **defaults | options)


def ints(name, call, least, most=None):
    """A case: a whole number from `least` on, to `most`."""
    inside, outside = [least, most], [least - 1, 1.5, 2.0, most and most + 1]
    return name, call, [v for v in inside if v is not None], [v for v in outside if v is not None]


X2 = np.zeros((4, 2), np.float32)
shadow = attack("project", lambda z: z, X2, data.noise(2), steps=1, restarts=1)
pairs = attack("overpowered", lambda x: x, lambda z: z, data.noise(2), n=2, eta=0.1, steps=1)
patch = attack("adversarial_patch", see, images(), target=0, share=0.1, steps=1, batch=2, angle=0.0)
shrink = attack("minimal_perturbation", see, images(), 1, steps=1, searches=1)
ARGUMENTS = {  # (the argument's name, a call with it, values that it may have, values that it may not)
    "leaky_relu slope": ("slope", lambda v: mg.leaky_relu(X2, v), [0, 0.5, np.float32(0.5)], [-0.1, 1.0]),
    "LeakyReLU slope": ("slope", lambda v: nn.LeakyReLU(v), [0, 0.5], [-0.1, 1.0]),
    "elu alpha": ("alpha", lambda v: mg.elu(X2, v), [0, 2], [-1]),
    "ELU alpha": ("alpha", lambda v: nn.ELU(v), [0, 2], [-1]),
    "dropout p": ("p", lambda v: mg.dropout(X2, v), [0, 0.5], [-0.1, 1.0]),
    "Dropout p": ("p", lambda v: nn.Dropout(v), [0, 0.5], [-0.1, 1.0]),
    "var ddof": ints("ddof", lambda v: mg.var(X2, ddof=v), 0),
    "std ddof": ints("ddof", lambda v: mg.std(X2, ddof=v), 0),
    "one_hot classes": ints("classes", lambda v: mg.one_hot([0], v), 1),
    "BatchNorm1d momentum": ("momentum", lambda v: nn.BatchNorm1d(2, momentum=v), [0, 1], [-0.1, 1.1]),
    "BatchNorm2d eps": ("eps", lambda v: nn.BatchNorm2d(2, eps=v), [1e-5], [0, -1]),
    "VirtualBatchNorm eps": ("eps", lambda v: nn.VirtualBatchNorm(2, 2, v), [1e-5], [0, -1]),
    "VirtualBatchNorm n": ints("n", lambda v: nn.VirtualBatchNorm(2, v), 2),
    "LayerNorm eps": ("eps", lambda v: nn.LayerNorm(2, eps=v), [1e-5], [0, -1]),
    "GroupNorm eps": ("eps", lambda v: nn.GroupNorm(1, 2, eps=v), [1e-5], [0, -1]),
    "SpectralNorm iterations": ints("iterations", lambda v: nn.SpectralNorm(nn.Dense(2, 2), v), 1),
    "MovingAverage decay": ("decay", lambda v: nn.MovingAverage(nn.Dense(1, 1), v), [0, 0.999], [-0.1, 1]),
    "init.normal std": ("std", lambda v: nn.init.normal(v), [0, 1], [-1]),
    "init.normal mean": ("mean", lambda v: nn.init.normal(1.0, v), [-1, 0], []),
    "init.uniform bound": ("bound", lambda v: nn.init.uniform(v), [0, 1], [-1]),
    "SGD lr": ("lr", lambda v: one(optim.SGD, lr=v), [0, 1, Fraction(1, 2)], [-1]),
    "lr later": ("lr", lambda v: setattr(one(optim.OMD), "lr", v), [0, np.float32(1)], [-1]),
    "SGD momentum": ("momentum", lambda v: one(optim.SGD, momentum=v), [0, 0.9], [-0.1, 1]),
    "RMSProp alpha": ("alpha", lambda v: one(optim.RMSProp, alpha=v), [0, 0.9], [-0.1, 1]),
    "RMSProp eps": ("eps", lambda v: one(optim.RMSProp, eps=v), [0, 1], [-1]),
    "Adam beta1": (r"betas\[0\]", lambda v: one(optim.Adam, betas=(v, 0.9)), [0, 0.5], [-0.1, 1]),
    "Adam beta2": (r"betas\[1\]", lambda v: one(optim.Adam, betas=(0.9, v)), [0, 0.5], [-0.1, 1]),
    "Adam weight_decay": ("weight_decay", lambda v: one(optim.Adam, weight_decay=v), [0, 0.1], [-1]),
    "a group's lr": ("group 0: lr", lambda v: optim.SGD([{"params": leaf(), "lr": v}], 0.1), [0, 1], [-1]),
    "OptimisticAdam eps": ("eps", lambda v: one(optim.OptimisticAdam, eps=v), [0, 1], [-1]),
    "OMD predictor": ("predictor", lambda v: one(optim.OMD, predictor=v), ["last", 1, np.int64(3), 0.5], [0, 0.0, 1.0, 1.5]),
    "LinearDecay steps": ints("steps", lambda v: optim.LinearDecay(one(optim.SGD), v), 1),
    "Cosine steps": ints("steps", lambda v: optim.Cosine(one(optim.SGD), v), 1),
    "Cosine warm_up": ints("warm_up", lambda v: optim.Cosine(one(optim.SGD), 3, v), 0, 2),
    "Lookahead k": ints("k", lambda v: optim.Lookahead(one(optim.SGD), v), 1),
    "Lookahead alpha": ("alpha", lambda v: optim.Lookahead(one(optim.SGD), 5, v), [1, 0.1], [0, -1, 1.1]),
    "clip_gradient_norm limit": ("limit", lambda v: optim.clip_gradient_norm([leaf()], v), [1, 0.01], [0, -1]),
    "clip_weights c": ("c", lambda v: optim.clip_weights([leaf()], v), [1, 0.01], [0, -1]),
    "GAN k": ints("k", lambda v: play(games.GAN, k=v), 1),
    "GAN l": ints("l", lambda v: play(games.GAN, l=v), 1),
    "GAN r1": ("r1", lambda v: play(games.GAN, r1=v), [0, 1], [-1]),
    "ConditionalGAN r1": ("r1", lambda v: play(games.ConditionalGAN, r1=v), [0, 1], [-1]),
    "GAN saturating": ("saturating", lambda v: play(games.GAN, saturating=v), [False, True, np.bool_(True)], [0, 1]),
    "WGAN n_critic": ints("n_critic", lambda v: play(games.WGAN, n_critic=v), 1),
    "WGAN clip": ("clip", lambda v: play(games.WGAN, clip=v), [1, 0.01], [0, -1]),
    "WGANGP penalty": ("penalty", lambda v: play(games.WGANGP, penalty=v), [0, 10], [-1]),
    "BEGAN gamma": ("gamma", lambda v: play(games.BEGAN, gamma=v), [0, 1], [-0.1, 1.1]),
    "BEGAN lambda_k": ("lambda_k", lambda v: play(games.BEGAN, lambda_k=v), [0, 1], [-1]),
    "sample n": ints("n", lambda v: play(games.GAN).sample(v), 0),
    "fgsm epsilon": ("epsilon", lambda v: attacks.fgsm(see, images(), [0, 1], v), [0, 0.1], [-0.1]),
    "fgsm clip low": (r"clip\[0\]", lambda v: attacks.fgsm(see, images(), [0, 1], 0.1, clip=(v, 1.0)), [0, -1], []),
    "pgd epsilon": ("epsilon", lambda v: attacks.pgd(see, images(), [0, 1], v), [0, 0.1], [-0.1]),
    "pgd steps": ints("steps", lambda v: attacks.pgd(see, images(), [0, 1], 0.1, steps=v), 1),
    "pgd step": ("step", lambda v: attacks.pgd(see, images(), [0, 1], 0.1, step=v, steps=1), [None, 0.1], [-0.1]),
    "project steps": ints("steps", lambda v: attacks.project(lambda z: z, X2, data.noise(2), steps=v, restarts=1), 1),
    "project restarts": ints("restarts", lambda v: attacks.project(lambda z: z, X2, data.noise(2), steps=1, restarts=v), 1),
    "project lr": ("lr", lambda v: attacks.project(lambda z: z, X2, data.noise(2), steps=1, restarts=1, lr=v), [0, 1], [-1]),
    "project weight": ("weight", lambda v: shadow(weight=v), [0, 1], [-1]),
    "overpowered n": ints("n", lambda v: pairs(n=v), 1),
    "overpowered eta": ("eta", lambda v: pairs(eta=v), [0.1], [0, -1]),
    "overpowered steps": ints("steps", lambda v: pairs(steps=v), 1),
    "overpowered lr": ("lr", lambda v: pairs(lr=v), [0, 1], [-1]),
    "overpowered rate": ("rate", lambda v: pairs(rate=v), [0, 1], [-1]),
    "minimal steps": ints("steps", lambda v: shrink(steps=v), 1),
    "minimal searches": ints("searches", lambda v: shrink(searches=v), 1),
    "minimal c": (r"c\[0\]", lambda v: shrink(c=(v, 2)), [1], [0]),
    "fooled p": ("p", lambda v: attacks.fooled(see, images(), v), [0, 1], [-0.1, 1.1]),
    "fooling_images step": ("step", lambda v: attacks.fooling_images(see, images(), 1, steps=1, step=v), [0, 0.1], [-0.1]),
    "fooling_images steps": ints("steps", lambda v: attacks.fooling_images(see, images(), 1, steps=v), 1),
    "adversarial_loss alpha": ("alpha", lambda v: attacks.adversarial_loss(see, images(), [0, 1], 0.1, v), [0, 1], [-1, 2]),
    "apply_patch angle": ("angle", lambda v: attacks.apply_patch(images(), images()[0], 0.1, angle=v), [0, 180], [-1, 181]),
    "apply_patch share": (r"share\[0\]", lambda v: attacks.apply_patch(images(), images()[0], (v, 0.2)), [0.1], [0, -1]),
    "adversarial_patch share": ("share", lambda v: patch(share=v), [0.1], [0, -1]),
    "adversarial_patch steps": ints("steps", lambda v: patch(steps=v), 1),
    "adversarial_patch batch": ints("batch", lambda v: patch(batch=v), 1),
    "adversarial_patch target": ints("target", lambda v: patch(target=v), 0),
    "ring n": ints("n", lambda v: data.ring(v), 0),
    "glyphs n": ints("n", lambda v: data.glyphs(v), 0),
    "scenes n": ints("n", lambda v: data.scenes(v), 0),
    "ring modes": ints("modes", lambda v: data.ring(3, modes=v), 1),
    "ring radius": ("radius", lambda v: data.ring(3, radius=v), [0, 1, -1], []),
    "ring std": ("std", lambda v: data.ring(3, std=v), [0, 1], [-1]),
    "grid side": ints("side", lambda v: data.grid(3, side=v), 1),
    "grid spacing": ("spacing", lambda v: data.grid(3, spacing=v), [0, 1], []),
    "grid std": ("std", lambda v: data.grid(3, std=v), [0, 1], [-1]),
    "noise d": ints("d", lambda v: data.noise(v), 1),
    "batches size": ints("size", lambda v: data.batches(X2, size=v), 1, 4),
    "lerp steps": ints("steps", lambda v: data.lerp(X2[0], X2[1], v), 2),
    "mode_coverage std": ("std", lambda v: metrics.mode_coverage(X2, X2, v), [1, 0.1], [0, -1]),
    "gradcheck eps": ("eps", lambda v: mg.gradcheck(mg.exp, np.ones(2), eps=v, rtol=1e-3, order=1), [1e-5, None], [0, -1]),
    "gradcheck rtol": ("rtol", lambda v: mg.gradcheck(mg.exp, np.ones(2), rtol=v, order=1), [1e-3, 1], [-1]),
    "gradcheck order": ints("order", lambda v: mg.gradcheck(mg.exp, np.ones(2), order=v), 1),
    "seed": ints("n", lambda v: mg.seed(v), 0),
}  # fmt: skip


@pytest.mark.parametrize("case", ARGUMENTS)
def test_a_number_that_makes_no_sense_is_refused_by_name(case):
    name, call, allowed, refused = ARGUMENTS[case]
    for value in allowed:
        call(value)
    for value in [*refused, *NO_NUMBERS]:
        if not any(value is good for good in allowed):  # True as a flag, None as a default
            with pytest.raises(ValueError, match=rf"^\w[\w.]*: {name} is .*; expected ") as caught:
                call(value)
            assert len(str(caught.value)) < 200
    if 1.5 not in refused and name != "saturating":  # a float
        with pytest.raises(ValueError, match=rf"{name} is 10{{49}}\.\.\. \(a int\); expected "):
            call(10**400)


def test_numbers_come_back_as_pythons_own():
    assert type(checks.number("here", "x", np.float32(0.5))) is float
    assert type(checks.whole("here", "x", np.int64(3))) is int
    assert type(checks.flag("here", "x", np.bool_(True))) is bool
