"""Sentences of the slides that digits contradict: one loss for both players, robust discriminators, no memory."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import classifiers
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier
from demos.kit.digits import dense_players
from demos.kit.pictures import FAKE, REAL, labelled
from demos.kit.training import adams, train
from demos.the_slides.errata_games import correct, literal, train_alone
from minigan import Tensor, data, losses, metrics, nn
from minigan.games import GAN
from minigan.games.figures import Figures, discriminator_figures


class OneLossGAN(GAN):
    """The slide's f_acc for both: D ascends E log D(x) + E[-log D(G(z))], and G descends it."""

    def step(self, batches: Iterator) -> Figures:
        x = self.real(batches)
        v_real, v_fake = self.D(x), self.D(self.G(self.noise(len(x))).detach())
        loss_D = -literal(v_real, v_fake)
        self.descend(self.opt_D, loss_D)
        with self.frozen(self.D):
            loss_G = losses.generator_loss(self.D(self.G(self.noise(len(x)))))
            self.descend(self.opt_G, loss_G)
        return discriminator_figures(loss_D, loss_G, v_real, v_fake)


def play(kind: type[GAN], x: np.ndarray, s, seed: int, steps: int, z: int, r1: float = 0.0) -> tuple[GAN, np.ndarray]:
    """A game of dense players on images in [0, 1], the learning rates falling to 0; the game, and D(G(z)) at each step."""
    name = f"{kind.__name__} on {len(x):,} images"
    state, believed = once(f"{name}, seed {seed}", played, kind, x, s, seed, steps, z, r1, name)
    game = make_game(kind, s, z, r1)
    game.load_state_dict(state)
    return game, believed


def played(kind: type[GAN], x: np.ndarray, s, seed: int, steps: int, z: int, r1: float, name: str) -> tuple[dict, np.ndarray]:
    """The game's state at the end, and D(G(z)) at each step."""
    mg.seed(seed)
    game = make_game(kind, s, z, r1)
    figures = train(game, minibatches(x, s), steps, name)
    return game.state_dict(), np.array([row["D_fake"] for row in figures])


def make_game(kind: type[GAN], s, z: int, r1: float) -> GAN:
    """The dense players and their optimizers."""
    G, D = dense_players(z, s.width)
    return kind(G, D, data.noise(z), *adams(G, D, s.lr, s.lr), r1=r1)


def minibatches(x: np.ndarray, s) -> Iterator[np.ndarray]:
    """Of the images, with pixels in [-1, 1]."""
    return data.batches(2 * x - 1, size=min(s.batch, len(x)))


def pixels(game: GAN, n: int) -> np.ndarray:
    """n samples, from tanh's [-1, 1] to [0, 1]."""
    return ((game.sample(n) + 1) / 2).clip(0, 1)


# --- one f_acc for both players -----------------------------------------------------------------------------------------


def one_loss(claim: Claim, x: np.ndarray, judge: metrics.Judge, s, seeds: range) -> dict:
    """Slide: "we can instead use a different loss term for the fake data that yields the same desired behavior but trains
    faster" (CS/DS 541, class 19), printed in f_acc itself, which D is to increase. Meant is: for G alone.
    """
    alone = {
        f.__name__: [once(f"D alone, {f.__name__}, seed {seed}", d_alone, x, f, s, seed) for seed in seeds]
        for f in (correct, literal)
    }
    found: dict = {"alone": alone}
    for name, kind in (("correct", GAN), ("literal", OneLossGAN)):
        runs = [play(kind, x, s, seed, s.steps, s.z) for seed in seeds]
        samples = [pixels(game, s.samples) for game, _ in runs]
        rows = [once(f"quality of {name}", metrics.image_quality, some, judge, x) for some in samples]
        found[name] = {"games": [game for game, _ in runs], "classes": [row["classes"] for row in rows]}
        claim.note(f"{name}_frechet", np.mean([row["frechet"] for row in rows]), "reported: mean over the seeds")
        believed = np.concatenate([D_fake[-len(D_fake) // 10 :] for _, D_fake in runs])
        claim.note(f"{name}_D_fake", np.mean(believed), "reported: mean D(G(z)), last tenth of the game")
    measure_classes(claim, found["correct"]["classes"], found["literal"]["classes"])
    bounded, unbounded = max(map(max, found["alone"]["correct"])), min(rows[-1] for rows in found["alone"]["literal"])
    claim.note("correct_f_acc_D_alone", bounded, "never above 0 (worst seed)", bounded <= 0)
    claim.note("literal_f_acc_D_alone", unbounded, "above 10 at the end, and rising (worst seed)", unbounded > 10)
    return found


def measure_classes(claim: Claim, correct: list[int], literal: list[int]) -> None:
    """How many classes G draws by either loss; in the few iterations of --quick, it learns few by any."""
    long = not claim.args.quick
    claim.note("correct_classes", min(correct), "10 of 10 (worst seed; not with --quick)", min(correct) == 10 if long else None)
    claim.note("literal_classes", max(literal), "at most 6 of 10 (best seed)", max(literal) <= 6 if long else None)


def d_alone(x: np.ndarray, objective, s, seed: int) -> list[float]:
    """D's objective at each of its steps, against a G that stands still."""
    mg.seed(seed)
    G, D = dense_players(s.z, s.width)
    prior = data.noise(s.z)
    return train_alone(D, lambda m: G(Tensor(prior(m))), minibatches(x, s), s.alone_steps, s.lr, objective)


def draw_samples(axes: plt.Axes, found: dict) -> None:
    """Samples of the first seed: two rows by the correct losses, two by the one that is printed."""
    images = np.concatenate([pixels(found[name]["games"][0], 20) for name in ("correct", "literal")])
    labelled(axes, images, 10, ["D: $\\log(1 - D)$", "one $f_{acc}$"], rows_each=2)
    fewest, most = min(found["correct"]["classes"]), max(found["literal"]["classes"])
    axes.set_title(
        "“the same desired behavior but trains faster”, printed as one $f_{acc}$:\n"
        f"G finds at most {most} of 10 classes; at least {fewest} where D keeps its own term"
    )


def draw_alone(axes: plt.Axes, found: dict) -> None:
    """D's objective while G stands still."""
    for name, label, colour in (("correct", "$\\log(1 - D(G(z)))$", REAL), ("literal", "$-\\log D(G(z))$", FAKE)):
        axes.plot(np.transpose(found["alone"][name]), color=colour, linewidth=0.8)
        axes.plot([], color=colour, label=f"fake data's term: {label}")
    end = min(rows[-1] for rows in found["alone"]["literal"])
    axes.set(
        yscale="symlog",
        xlabel="step of D alone",
        ylabel="$f_{acc}$",
        title=f"… because D can raise the printed $f_{{acc}}$ without end ({end:,.0f} so far);\nits own is at most 0",
    )
    axes.legend()


# --- robust discriminators ----------------------------------------------------------------------------------------------


JUDGES = {"the GAN's D": FAKE, "a classifier": REAL, "a D of digits and noise": "tab:green"}


class Signed(nn.Module):
    """Pixels in [0, 1] to what D has learnt from, [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x - 1.0


def judging(D: nn.Module) -> Classifier:
    """D as a classifier of images in [0, 1]: 1 is real, 0 is not."""
    return Classifier(nn.Sequential(Signed(), D, nn.Reshape()), wrongness, (0, 1))


def wrongness(v: Tensor, y: np.ndarray) -> Tensor:
    """How far the logits lie on the wrong side. Its gradient has the log-loss's sign, but does not vanish where D is sure:
    a D that only seems robust, because the attack finds no slope, is not taken for one that is.
    """
    return mg.mean(Tensor(1.0 - 2.0 * y, dtype=v.dtype) * v)


def robustness(claim: Claim, games: list[GAN], x, y, others, s, seeds: range) -> dict:
    """Slide: "Discriminators are less susceptible to adversarial examples" (Generative Adversarial Networks)."""
    real, classes = others[0][: s.attacked], others[1][: s.attacked]
    labels = np.repeat([1, 0], len(real))
    found: dict = {name: [] for name in JUDGES}
    for game, seed in zip(games, seeds, strict=True):
        images = np.concatenate([real, pixels(game, len(real))])
        found["the GAN's D"].append([flips(judging(game.D), images, labels, e) for e in s.epsilons])
        others_flip = once(f"a D of noise and a classifier, seed {seed}", flips_of_others, x, y, real, classes, s, seed)
        found["a D of digits and noise"].append(others_flip[0])
        found["a classifier"].append(others_flip[1])
    rates = {name: np.array(rows)[:, s.epsilons.index(0.1)] for name, rows in found.items()}
    worst = rates["the GAN's D"].min()
    claim.note("flipped_GANs_D", worst, "at least 0.9 at epsilon 0.1 (worst seed)", worst >= 0.9)
    claim.note("flipped_classifier", rates["a classifier"].mean(), "reported: mean over the seeds, at epsilon 0.1")
    claim.note("flipped_D_of_noise", rates["a D of digits and noise"].mean(), "reported: mean over the seeds, at epsilon 0.1")
    return found


def flips_of_others(x, y, real: np.ndarray, classes: np.ndarray, s, seed: int) -> tuple[list[float], list[float]]:
    """What flips, by epsilon, of a new D's digits and noise; and of a new classifier's digits."""
    mg.seed(seed)
    D, classifier, noise = dense_players(s.z, s.width)[1], classifiers.network(s.width), data.noise(784, "uniform")
    train_alone(D, lambda m: noisy(noise, m), minibatches(x, s), s.alone_steps, s.lr)
    images, labels = np.concatenate([real, (noisy(noise, len(real)).numpy() + 1) / 2]), np.repeat([1, 0], len(real))
    of_noise = [flips(judging(D), images, labels, e) for e in s.epsilons]
    classifiers.train(classifier, x, y, "a classifier", s.classifier_steps, s.batch, s.lr)
    return of_noise, [flips(classifier, real, classes, e) for e in s.epsilons]


def noisy(noise: data.priors.Noise, m: int) -> Tensor:
    """m images of uniform noise, pixels in [-1, 1]."""
    return Tensor(noise(m).reshape(m, 1, 28, 28))


def flips(classifier: Classifier, x: np.ndarray, y: np.ndarray, epsilon: float) -> float:
    """Of the images that it judges right: the share that it judges wrong after FGSM."""
    right = classifier.probabilities(x).argmax(axis=1) == y
    attacked = classifier.attacked(x[right], y[right], epsilon)
    return float((classifier.probabilities(attacked).argmax(axis=1) != y[right]).mean())


def draw_robustness(axes: plt.Axes, found: dict, figures: dict[str, float], s) -> None:
    """The share that flips, by epsilon; a line for each seed."""
    for name, colour in JUDGES.items():
        axes.plot(s.epsilons, np.transpose(found[name]), color=colour, marker="o", markersize=3)
        axes.plot([], color=colour, marker="o", label=name)
    mine, other = figures["flipped_GANs_D"], figures["flipped_classifier"]
    title = (
        "“Discriminators are less susceptible to adversarial examples”: epsilon 0.1\n"
        f"turns {mine:.0%} of what a GAN's D had right, {other:.0%} of a classifier's"
    )
    axes.set(xlabel="epsilon", ylabel="judged wrong, of those judged right", ylim=(-0.02, 1.02), title=title)
    axes.legend(loc="center right", bbox_to_anchor=(1.0, 0.68))


# --- no memory ----------------------------------------------------------------------------------------------------------


def memory(claim: Claim, games: list[GAN], x: np.ndarray, others: np.ndarray, s, seeds: range) -> dict:
    """Slide: "Generative models cannot memorize training data since they do not have enough parameters" (Security and
    Fairness of Deep Learning, CMU).
    """
    few, others = x[: s.memorised], others[: s.strangers]
    copying = [play(GAN, few, s, seed, s.memory_steps, s.memory_z, s.memory_r1)[0] for seed in seeds]
    found = {"few": few, "samples": pixels(copying[0], 10)}
    weights = sum(p.size for p in copying[0].G.parameters())
    claim.note("weights_for_each_pixel", weights / few.size, f"reported: G's, for each of the {few.size:,} pixels to learn")
    for name, group, own in (("few", copying, few), ("all", games, x[: s.strangers])):
        samples = [pixels(game, s.strangers) for game in group]
        rows = [[np.median(metrics.nearest_distances(a, b)) for b in (own, others)] for a in samples]
        ratio = [near / far for near, far in rows]
        (near, far), n = np.mean(rows, axis=0), len(own)
        claim.note(f"nearest_of_{name}", near, f"reported: median distance to the nearest of {n} training images")
        claim.note(f"nearest_stranger_of_{name}", far, f"reported: to the nearest of {len(others)} held out")
        if name == "few":
            claim.note(
                "memory_ratio", max(ratio), "below 1 (worst seed): nearer to its own few than to many others", max(ratio) < 1
            )
    return found


def draw_memory(axes: plt.Axes, found: dict, figures: dict[str, float], s) -> None:
    """Ten samples, and below each the nearest of the few images that G has learnt from."""
    apart = ((found["samples"] - found["few"][:, None, 0][:, :, None]) ** 2).sum(axis=(2, 3, 4))  # (few, samples)
    nearest = found["few"][apart.argmin(axis=0)]
    labelled(axes, np.concatenate([found["samples"], nearest]), 10, ["G(z)", "nearest x"])
    near, far = figures["nearest_of_few"], figures["nearest_stranger_of_few"]
    axes.set_title(
        f"“Generative models cannot memorize training data”: taught {s.memorised} digits,\n"
        f"G's samples are {near:.1f} from the nearest, {far:.1f} from that of {s.strangers:,} others"
    )
