"""A discriminator measures a KL divergence. So a VAE's Q(z | x) may have any shape; a normal one leaves gaps in the prior.

Slide: "Adversarial variational bayes: Unifying variational autoencoders and [GANs]" (IT3320E, lecture 10: its references)

    T ascends  E_Q log sigma(T(x, z)) + E_P log(1 - sigma(T(x, z)))        the best: T = log Q(z | x) - log P(z)
    P and Q ascend  E log P(x | z) - T(x, z),  z = Q(x, epsilon)           a VAE's ELBO, without Q's density

The toy problem of Mescheder, Nowozin and Geiger (2017, section 6): four images of four pixels, one white; z is in the plane.
P can reconstruct x only if the four Q(z | x) do not overlap, and together they should fill P(z). Four normal distributions
cannot do both.

What to look for: the codes of the four images, by a VAE and by a Q of any shape; log P(x), at most -log 4 (by quadrature over
z); and how unevenly the codes fill the prior, by the KL divergence over 100 cells that are equally likely under the prior. Is
T's mean the divergence D_KL(Q(z | x) | P(z))? If Q is normal, D_KL is known: the right panel shows both.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from scipy.special import logsumexp
from scipy.stats import norm

import minigan as mg
from demos.generative_models import autoencoders, vae
from demos.kit.claim import Claim
from demos.kit.comparing import HELPS, HURTS, NOTHING, compare
from demos.kit.experiment import demo, over_kinds
from demos.kit.loops import resumable
from demos.kit.style import D_COLOUR, FAKE, OTHERS, REAL, slide
from minigan import Tensor, data, losses, nn, no_grad, optim
from minigan.data.priors import Noise
from minigan.games import AdversarialVariationalBayes, Joint


@dataclass
class Settings:
    width: int = 64  # of the three hidden layers of Q and P
    t_width: int = 128  # of T's
    epsilon: int = 8  # dimensions of the noise of a Q of any shape
    steps: int = 6000
    moving: int = 4500  # steps after which only T learns, in a game
    batch: int = 256
    lr: float = 6e-4  # Adam's, of P and Q, falls to 0: lower than T's, so that T keeps up
    t_lr: float = 2e-3  # of T, falls to 0
    codes: int = 20_000  # of each image, for the metrics
    every: int = 100  # steps between two measurements of the divergence
    seeds: int = 3


QUICK = {"width": 16, "t_width": 16, "steps": 100, "moving": 75, "batch": 64, "codes": 500, "every": 20, "seeds": 1}
VERDICT = "True: on toy data, a discriminator finds the divergence; codes of any shape fill the prior better than normal ones."
SHAPES = {  # what a Q of any shape does
    "gaps": {HELPS: "leaves smaller gaps", HURTS: "leaves larger gaps", NOTHING: "leaves gaps that differ by chance alone"},
    "log P": {HELPS: "makes P likelier", HURTS: "makes P less likely", NOTHING: "makes P no likelier beyond chance"},
}
FINDING = (
    "Where Q is normal, the mean of D's output T is within {mean of T beside D_KL, where Q is normal: off by|<%} of "
    "D_KL (worst of 3 seeds). The codes are {gaps, any Q, D_KL by T|.3f} nats (KL) from the prior for Q of any shape, "
    "{gaps, normal Q, exact D_KL|.3f} for a VAE; log P(x): {log P, any Q, D_KL by T|.2f} and "
    "{log P, normal Q, exact D_KL|.2f}."
)

# The bound: T's mean may differ from the divergence by this share. Other settings missed it on seeds 0 to 2, by 29 % at worst
# (a smaller T and batch, a higher rate of P and Q, no steps of T alone): T lagged behind a Q that became narrower. These
# settings are from seeds 100 to 102. For a Q of any shape, T's purpose, the divergence is not known.
OFF = 0.05
X = np.eye(4, dtype=np.float32)  # the images
KINDS = ("normal Q, exact D_KL", "any Q, D_KL by T", "normal Q, D_KL by T")
VAE, AVB, BOTH = KINDS
SHOWN = 1000  # codes of each image in the picture
WATCHED = 500  # codes of each image, for a measurement during the training
CELLS, GRID = 10, 200  # along each side: of the histogram of codes, of the quadrature
COLOURS = (REAL, FAKE, OTHERS[0], OTHERS[1])  # of the images


@demo(Settings(), QUICK)
def main(claim: Claim, s: Settings) -> None:
    runs = over_kinds(claim, learn, KINDS, s.seeds, s, steps=s.seeds * len(KINDS) * s.steps)
    measure(claim, runs)
    claim.show(picture(runs), "variational_bayes", title(claim))


def network(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Three hidden layers."""
    return nn.Sequential(*autoencoders.dense(inputs, width, width, width, outputs, activation=nn.ELU))


class Normal(nn.Module):
    """Q(z | x) = N(mu(x), sigma(x)^2), as a sampler: z = mu + sigma epsilon."""

    def __init__(self, network: nn.Module):
        self.network = network

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log sigma^2."""
        return mg.split(self.network(x), 2, axis=1)

    def forward(self, x: Tensor, epsilon: Tensor) -> Tensor:
        mu, log_var = self.moments(x)
        return mu + mg.exp(0.5 * log_var) * epsilon


def learn(kind: str, seed: int, s: Settings) -> dict:
    """Train one of the models; see `look`."""
    mg.seed(seed)
    Q = Joint(network(4 + s.epsilon, s.width, 2)) if kind == AVB else Normal(network(4, s.width, 4))
    P, epsilon = network(2, s.width, 4), data.noise(s.epsilon if kind == AVB else 2)
    if kind == VAE:
        train_vae(Q, P, epsilon, s)
        return look(Q, P, epsilon, s)
    T = Joint(network(4 + 2, s.t_width, 1))
    curve = train_game(Q, P, T, epsilon, s)
    found = look(Q, P, epsilon, s) | {"T": mean_of_t(Q, T, epsilon, s.codes)}
    return found | ({"D_KL": divergence(Q), "curve": np.array(curve)} if kind == BOTH else {})


def train_vae(Q: Normal, P: nn.Module, epsilon: Noise, s: Settings) -> None:
    """Train with the divergence by its formula."""

    def objective(x: np.ndarray) -> tuple[Tensor, Tensor]:
        x = Tensor(x)
        z = Q(x, Tensor(epsilon(len(x))))
        return 4.0 * losses.log_loss_with_logits(P(z), x), vae.divergence(*Q.moments(x))

    autoencoders.train(objective, [Q, P], [np.repeat(X, s.batch // 4, axis=0)], VAE, s.steps, s.batch, s.lr, epsilon=epsilon)


def train_game(Q: nn.Module, P: nn.Module, T: nn.Module, epsilon: Noise, s: Settings) -> list[list[float]]:
    """Train with the divergence by T. For a normal Q, returns a row [mean of T, divergence] every few steps."""
    opt_G, opt_T = optim.Adam(Q.parameters() + P.parameters(), s.lr), optim.Adam(T.parameters(), s.t_lr, (0.5, 0.999))
    game = AdversarialVariationalBayes(P, T, data.noise(2), opt_G, opt_T, Q, epsilon)
    decays = {"decay G": optim.LinearDecay(opt_G, s.moving), "decay T": optim.LinearDecay(opt_T, s.steps)}
    batches, rows = data.batches(np.repeat(X, s.batch // 4, axis=0), size=s.batch), []
    for t in resumable(range(1, s.steps + 1), "T", game=game, batches=batches, rows=rows, **decays):
        game.step(batches)
        for decay in decays.values():
            decay.step()
        if t % s.every == 0 and isinstance(Q, Normal):
            rows.append([mean_of_t(Q, T, epsilon, WATCHED), divergence(Q)])
    return rows


def look(Q: nn.Module, P: nn.Module, epsilon: Noise, s: Settings) -> dict:
    """The images' codes; their gaps in the prior; how often P reconstructs the right image; and log P(x)."""
    z = codes(Q, epsilon, s.codes)
    with no_grad():
        told = P(Tensor(z.reshape(-1, 2))).numpy().argmax(axis=1).reshape(4, -1)
    right = float(np.mean(told == np.arange(4)[:, None]))
    return {"codes": z, "gaps": gaps(z.reshape(-1, 2)), "right": right, "log P": log_likelihood(P)}


def codes(Q: nn.Module, epsilon: Noise, n: int) -> np.ndarray:
    """(4, n, 2): n draws from Q(z | x) for each image."""
    with no_grad():
        return Q(Tensor(np.repeat(X, n, axis=0)), Tensor(epsilon(4 * n))).numpy().reshape(4, n, 2)


def mean_of_t(Q: nn.Module, T: nn.Module, epsilon: Noise, n: int) -> float:
    """The mean of T over n draws from each Q(z | x)."""
    with no_grad():
        return float(T(Tensor(np.repeat(X, n, axis=0)), Tensor(codes(Q, epsilon, n).reshape(-1, 2))).numpy().mean())


def divergence(Q: Normal) -> float:
    """D_KL(Q(z | x) | P(z)) by its formula, the mean over the images."""
    with no_grad():
        return vae.divergence(*Q.moments(Tensor(X))).item()


def log_likelihood(P: nn.Module) -> float:
    """log of the mean of P(x | z) over the prior, the mean over the images, by GRID^2 z in equally likely cells."""
    with no_grad():
        v = P(Tensor(autoencoders.quantiles(GRID))).numpy().astype(np.float64)
    log_p = -np.logaddexp(0, -v) @ X.T - np.logaddexp(0, v) @ (1 - X).T  # of each image, for each z
    return float(np.mean(logsumexp(log_p, axis=0) - np.log(len(v))))


def gaps(z: np.ndarray) -> float:
    """The KL divergence of codes (n, 2) from the prior, over CELLS^2 cells that are equally likely under the prior."""
    cells = np.minimum((norm.cdf(z) * CELLS).astype(int), CELLS - 1)
    share = np.bincount(cells @ [CELLS, 1], minlength=CELLS**2) / len(z)
    return float(np.sum(share[share > 0] * np.log(share[share > 0] * CELLS**2)))


def measure(claim: Claim, runs: dict[str, list[dict]]) -> None:
    """T's mean compared with the divergence, where that is known; a Q of any shape compared with a normal one."""
    off = max(abs(run["T"] / run["D_KL"] - 1) for run in runs[BOTH])
    claim.at_most("mean of T beside D_KL, where Q is normal: off by", off, OFF)
    known = np.mean([run["D_KL"] for run in runs[BOTH]])
    claim.note("D_KL, normal Q in the game", known, "reported: nats, mean over the seeds")
    for name, better, unit in (("log P", "higher", "nats"), ("gaps", "lower", "nats"), ("right", "higher", "share")):
        for kind in KINDS:
            claim.note(f"{name}, {kind}", np.mean([run[name] for run in runs[kind]]), f"reported: {unit}, mean over the seeds")
        ours, other = ([run[name] for run in runs[kind]] for kind in (AVB, VAE))
        claim.compare(f"{name}: any Q beside a VAE's", compare(ours, other, better))


def title(claim: Claim) -> str:
    """T's error, and the effect of a Q of any shape."""
    gaps = SHAPES["gaps"][claim.words("{gaps: any Q beside a VAE's|lower}")]
    log_p = SHAPES["log P"][claim.words("{log P: any Q beside a VAE's|higher}")]
    return claim.words(
        "Where Q is normal, T's mean differs from D_KL by up to {mean of T beside D_KL, where Q is normal: off by|<%}; a Q of "
        f"any shape {gaps} in the prior (KL {{gaps, any Q, D_KL by T|.3f}} nats; a VAE: {{gaps, normal Q, exact D_KL|.3f}}) "
        f"and {log_p} (log P(x) {{log P, any Q, D_KL by T|.3f}}; {{log P, normal Q, exact D_KL|.3f}}; best: {-np.log(4):.3f})"
    )


def picture(runs: dict[str, list[dict]]) -> Figure:
    """The first seed's codes, and circles that contain 39, 86 and 99 % of the prior; T's mean and the divergence, all seeds."""
    figure, places = slide(1, 3, height=5.2)
    for axes, kind, name in zip(places, (VAE, AVB), ("a VAE: normal Q", "Q of any shape, by T"), strict=False):
        for i, z in enumerate(runs[kind][0]["codes"]):
            axes.scatter(*z[:SHOWN].T, s=4, color=COLOURS[i], linewidths=0, label=f"image {i + 1}")
        for radius in (1, 2, 3):
            axes.add_patch(Circle((0, 0), radius, fill=False, linestyle=":", color="black"))
        axes.set(xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal", xlabel="$z_1$", ylabel="$z_2$", title=name)
    for i, run in enumerate(runs[BOTH]):
        mean_of_T, exact = run["curve"].T
        share = (np.arange(len(exact)) + 1) / len(exact)
        places[2].plot(share, mean_of_T, color=D_COLOUR, linewidth=1.2, label=None if i else "mean of $T$")
        places[2].plot(share, exact, "--", color="black", linewidth=1.2, label=None if i else "$D_{KL}$, by its formula")
    places[2].set(xlabel="share of the training", ylabel="nats", ylim=(0, None), title="normal Q, by T: is T right?")
    places[2].legend(loc="lower right")
    return figure
