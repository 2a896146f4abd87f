"""Losses: means over the batch, as scalars. v is a logit, D = sigma(v) the probability "real".

A discriminator returns logits: log D = -softplus(-v) and log(1 - D) = -softplus(v) stay exact where D itself rounds to 0 or 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minigan import backend
from minigan.backend import Array, fused, random_numbers
from minigan.engine.modes import enable_grad, mode
from minigan.engine.tensor import Tensor, grad, record
from minigan.ops import abs, broadcast_to, log, log_softmax, mean, norm, relu, sigmoid, square, sum, where
from minigan.ops.activations import sigmoid_array, softplus_array
from minigan.ops.operands import can_check_values, floating, labels_below, operands, tensors
from minigan.ops.reductions import HALF, count


def log_loss(p: Any, y: Any) -> Tensor:
    """-mean(y log p + (1 - y) log(1 - p)), for probabilities p and labels y in [0, 1], which may be broadcast to p's shape.

    A term whose factor is 0 counts as 0. With y = 1, p = 0 the loss is infinite. A sigmoid near 1 rounds to 1: prefer
    `log_loss_with_logits`. Raises ValueError for p or y outside [0, 1].
    """
    p, y = _floats("log_loss", p, y)
    if can_check_values(p.data) and not ((p.data >= 0) & (p.data <= 1)).all():
        raise ValueError("log_loss: p must lie in [0, 1]; for logits, use log_loss_with_logits")
    _check_labels("log_loss", p, y)
    log_p = log(where((y.data > 0) | (p.data > 0), p, 1.0))  # 0 log 0 = 0
    log_q = log(where((y.data < 1) | (p.data < 1), 1.0 - p, 1.0))
    return -mean(y * log_p + (1.0 - y) * log_q)


def log_loss_with_logits(v: Any, y: Any) -> Tensor:
    """log_loss(sigma(v), y) as one op, exact for every v; with n elements, d/dv = (sigma(v) - y) / n.

    mean(softplus(v) - y v) = mean(max(v, 0) - y v + log(1 + e^-|v|)).
    """
    v, y = _floats("log_loss_with_logits", v, y)
    _check_labels("log_loss_with_logits", v, y)
    if not v.size:
        raise ValueError(f"log_loss_with_logits: no elements in shape {v.shape}")
    if y.shape != v.shape:  # here: the mean below has neither shape, so that the backward pass cannot undo the broadcasting
        y = broadcast_to(y, v.shape)
    terms = _log_loss_terms(v.data, y.data)
    share = 1.0 / terms.size
    return record(
        "log_loss_with_logits",
        terms.mean(),
        (v, lambda g, loss: g * ((sigmoid(v) - y) * share)),
        (y, lambda g, loss: g * (-v * share)),
    )


@fused
def _log_loss_terms(v: Array, y: Array) -> Array:
    xp = backend.of(v)
    terms: Array = xp.maximum(v, 0) - y * v  # exactly 0 for y = 1, v > 0, and for y = 0, v < 0
    terms += xp.log1p(xp.exp(-xp.abs(v)))
    return terms


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """D's loss: -(mean log D(x) + mean log(1 - D(G(z)))), Algorithm 1 of Goodfellow et al. 2014."""
    real_logits, fake_logits = (floating("discriminator_loss", v) for v in (real_logits, fake_logits))
    return _log_loss_of(real_logits, label=1) + _log_loss_of(fake_logits, label=0)


def generator_loss(fake_logits: Tensor, saturating: bool = False) -> Tensor:
    """G's loss: mean(-log D(G(z))), or, saturating, mean(log(1 - D(G(z)))), which is flat where D(G(z)) is near 0."""
    fake_logits = floating("generator_loss", fake_logits)
    return -_log_loss_of(fake_logits, label=0) if saturating else _log_loss_of(fake_logits, label=1)


def _log_loss_of(v: Tensor, label: int) -> Tensor:
    """mean -log D for label 1, mean -log(1 - D) for label 0, as one op; with n elements, d/dv = (D - label) / n.

    Computed as mean softplus(s v) and s sigma(s v) / n, with s = -1 for label 1 and 1 for label 0: exact where D rounds to it.
    """
    if v._data.dtype.char == HALF:
        return _log_loss_of(v.astype("float32"), label).astype("float16")
    s, n = 1.0 - 2.0 * label, count("log_loss", v, tuple(range(v.ndim)))
    return record("log_loss", _sum_of_softplus(v.data, s) / n, (v, lambda g, y: _log_loss_slope(g, v, s, 1.0 / n)))


def _log_loss_slope(g: Tensor, v: Tensor, s: float, share: float) -> Tensor:
    """g s sigma(s v) / n. For both labels, d/dv = g sigma(v) sigma(-v) / n."""
    return record(
        "log_loss's slope",
        _times_sigmoid(v.data, g.data, s, s * share),
        (g, lambda h, y: h * (sigmoid(s * v) * (s * share))),
        (v, lambda h, y: h * (g * (share * sigmoid(v) * sigmoid(-v)))),
    )


@fused
def _sum_of_softplus(v: Array, s: float) -> Array:
    return backend.of(v).sum(softplus_array(s * v))


@fused
def _times_sigmoid(v: Array, g: Array, s: float, factor: float) -> Array:
    return g * (factor * sigmoid_array(s * v))


@dataclass(frozen=True)
class GameLoss:
    """What two players minimise, as functions of D's outputs (N, 1) for real and for fake samples; `games.GAN` takes the pair.

    Args:
        discriminator: (real_out, fake_out) -> D's loss, a scalar.
        generator: fake_out -> G's loss, a scalar.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]

    def __post_init__(self) -> None:
        for name, function in vars(self).items():
            if not callable(function):
                raise TypeError(f"GameLoss: {name} is a {type(function).__name__}; expected a function of D's outputs")

    def __repr__(self) -> str:
        names = [f"{name}={getattr(function, '__name__', type(function).__name__)}" for name, function in vars(self).items()]
        return f"GameLoss({', '.join(names)})"


def _saturating_loss(fake_out: Tensor) -> Tensor:
    return generator_loss(fake_out, saturating=True)


def _smoothed_discriminator(real_out: Tensor, fake_out: Tensor) -> Tensor:
    return log_loss_with_logits(real_out, 0.9) + log_loss_with_logits(fake_out, 0.0)


def _least_squares_discriminator(real_out: Tensor, fake_out: Tensor) -> Tensor:
    return (mean(square(real_out - 1.0)) + mean(square(fake_out))) / 2.0


def _least_squares_generator(fake_out: Tensor) -> Tensor:
    return mean(square(fake_out - 1.0)) / 2.0


def _hinge_discriminator(real_out: Tensor, fake_out: Tensor) -> Tensor:
    return mean(relu(1.0 - real_out)) + mean(relu(1.0 + fake_out))


def _critics_generator(fake_out: Tensor) -> Tensor:
    return -mean(fake_out)


log_loss_game = GameLoss(discriminator_loss, generator_loss)  # Goodfellow et al. 2014: D's output is a logit
saturating_game = GameLoss(discriminator_loss, _saturating_loss)  # the same paper's Algorithm 1
smoothed_game = GameLoss(_smoothed_discriminator, generator_loss)  # Salimans et al. 2016, section 3.4: real has the label 0.9
least_squares_game = GameLoss(_least_squares_discriminator, _least_squares_generator)  # Mao et al. 2017, equation 9
hinge_game = GameLoss(_hinge_discriminator, _critics_generator)  # Miyato et al. 2018, equations 16 and 17


def squared_gradient_norm(output: Tensor, x: Tensor) -> Tensor:
    """mean |d output / dx|^2 over the batch, itself differentiable: half of it, for real x, is R1 (Mescheder et al. 2018).

    Each row of output (N, 1) must depend on its own row of x (N, ...) alone; x requires a gradient. BatchNorm in training mode
    mixes the rows: then this is the gradient of the sum of all outputs, and a common shift of all rows counts as no change.
    """
    if not isinstance(output, Tensor) or not output.requires_grad:
        raise ValueError(
            "squared_gradient_norm: the output has no graph: compute it outside no_grad, from x with requires_grad=True"
        )
    (g,) = grad(sum(output), x, create_graph=True)
    return mean(sum(square(g), axis=tuple(range(1, g.ndim))))


def critic_loss(f_real: Tensor, f_fake: Tensor) -> Tensor:
    """A critic's loss: mean f(fake) - mean f(real), the negative of the estimated distance (Arjovsky et al. 2017)."""
    f_real, f_fake = (floating("critic_loss", f) for f in (f_real, f_fake))
    return mean(f_fake) - mean(f_real)


wasserstein_game = GameLoss(critic_loss, _critics_generator)  # `games.WGAN` also clips, `games.WGANGP` has a penalty


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: random_numbers.Generator | None = None
) -> Tensor:
    """mean (|grad f(x_hat)|_2 - 1)^2 over x_hat between real and fake, differentiable (Gulrajani et al. 2017, equation 3).

    real, fake (N, ...): x_hat = u real + (1 - u) fake, with one u from [0, 1] for each sample, drawn from `rng`, or else
    minigan's default generator. Each sample has one norm, over all its features. No gradient reaches real and fake.
    """
    real, fake = (floating("gradient_penalty", x).detach() for x in tensors("gradient_penalty", real, fake))
    _same_shape("gradient_penalty", real, fake)
    if not real.size:
        raise ValueError(f"gradient_penalty: no elements in shape {real.shape}")
    u = backend.asarray(random_numbers.noise_generator(rng, real.data).random((len(real), *[1] * (real.ndim - 1))))
    x_hat = Tensor(_between(real.data, fake.data, u), requires_grad=True)
    with enable_grad():
        f = sum(critic(x_hat))
    (g,) = grad(f, x_hat, create_graph=mode.recording)
    x_hat.requires_grad = False  # the critic learns from it; x_hat gets no .grad
    return mean(square(norm(g.reshape(len(g), -1), axis=1) - 1.0))


@fused
def _between(real: Array, fake: Array, u: Array) -> Array:
    x_hat: Array = fake + u.astype(real.dtype) * (real - fake)
    return x_hat


def feature_matching_loss(f_real: Tensor, f_fake: Tensor) -> Tensor:
    """G's loss of feature matching: |mean f(x) - mean f(G(z))|^2 (Salimans et al. 2016, section 3.1).

    f_real, f_fake (N, ...), with the means over N. Only the means have to agree: a loss for each sample would pull every
    f(G(z)) to the mean. No gradient reaches f_real. Raises ValueError if the features' shapes differ after the first axis.
    """
    f_real, f_fake = (floating("feature_matching_loss", f) for f in (f_real, f_fake))
    if f_real.shape[1:] != f_fake.shape[1:]:
        raise ValueError(f"feature_matching_loss: shapes {f_real.shape} and {f_fake.shape} differ after the first axis")
    return sum(square(mean(f_real.detach(), axis=0) - mean(f_fake, axis=0)))


def cross_entropy(logits: Any, labels: Any) -> Tensor:
    """-mean log softmax(logits)[label]: logits (N, C), labels (N,) integers in [0, C)."""
    logits = floating("cross_entropy", logits)
    if logits.ndim != 2:
        raise ValueError(f"cross_entropy: logits have shape {logits.shape}; expected (N, C)")
    n, c = logits.shape
    labels = labels_below("cross_entropy", labels, c)
    if labels.shape != (n,):
        raise ValueError(f"cross_entropy: logits {logits.shape} and labels {labels.shape}; expected (N, C) and N integers")
    return -mean(log_softmax(logits)[logits.xp.arange(n), labels])


def mse(a: Any, b: Any) -> Tensor:
    """mean (a - b)^2, for a and b of the same shape."""
    a, b = _same_shape("mse", *_floats("mse", a, b))
    return mean(square(a - b))


def l1(a: Any, b: Any) -> Tensor:
    """mean |a - b|, for a and b of the same shape."""
    a, b = _same_shape("l1", *_floats("l1", a, b))
    return mean(abs(a - b))


def pull_away_term(code: Any) -> Tensor:
    """f_PT = mean (cosine of S_i and S_j)^2 over all i != j, for codes S (N, ...): Zhao et al. 2016, section 2.4.

    0 if all codes are orthogonal, 1 if all are equal or opposite in direction. The cosines of a zero code count as 0.
    """
    code = floating("pull_away_term", code)
    n = len(code)
    if n < 2:
        raise ValueError(f"pull_away_term: codes of shape {code.shape}; expected at least two codes")
    S = code.reshape(n, -1)
    length = norm(S, axis=1, keepdims=True)
    S = S / where(length.data > 0, length, 1.0)
    cosines = where(code.xp.eye(n, dtype=bool), 0.0, S @ S.T)  # i = j does not count
    return sum(square(cosines)) / (n * (n - 1))


def _floats(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors of one floating dtype; integers, such as uint8 images, become float32."""
    a, b = operands(name, a, b)
    return (a, b) if a.dtype.kind == "f" else (floating(name, a), floating(name, b))


def _same_shape(name: str, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """a and b, of one shape. A loss that broadcast (N, 1) against (N,) would average over N x N pairs."""
    if a.shape != b.shape:
        raise ValueError(f"{name}: shapes {a.shape} and {b.shape} differ; reshape one")
    return a, b


def _check_labels(name: str, p: Tensor, y: Tensor) -> None:
    """Labels may be broadcast to the predictions' shape, but not the reverse: that would average over N x N pairs."""
    if y.ndim > p.ndim or any(n not in (1, m) for n, m in zip(y.shape[::-1], p.shape[::-1], strict=False)):
        raise ValueError(f"{name}: shape {p.shape} does not fit labels of shape {y.shape}; reshape them")
    if can_check_values(y.data) and not ((y.data >= 0) & (y.data <= 1)).all():
        raise ValueError(f"{name}: y must lie in [0, 1]")


__all__ = ["GameLoss", "critic_loss", "cross_entropy", "discriminator_loss", "feature_matching_loss", "generator_loss"]
__all__ += ["gradient_penalty", "hinge_game", "l1", "least_squares_game", "log_loss", "log_loss_game", "log_loss_with_logits"]
__all__ += ["mse", "pull_away_term", "saturating_game", "squared_gradient_norm", "wasserstein_game"]
