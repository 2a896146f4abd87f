"""Sentences of the slides that digits contradict: one loss for both players, robust discriminators, no memory."""

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.kit import classifiers
from demos.kit.claim import Claim
from demos.kit.classifiers import Classifier
from demos.kit.comparing import HURTS, NOTHING, compare
from demos.kit.digits import dense_players
from demos.kit.loops import run_cases
from demos.kit.pictures import labelled
from demos.kit.style import MARKERS, OTHERS, slide
from demos.kit.training import adams, train
from demos.the_slides.errata_games import correct, literal, train_alone
from minigan import Tensor, data, losses, metrics, nn
from minigan.games import GAN
from minigan.games.figures import Figures, discriminator_figures

ONE_LOSS = (
    "“the same desired behavior but trains faster”, printed as one $f_{{acc}}$: G finds at most {literal_classes|.0f} of 10 "
    "classes,\nat least {correct_classes|.0f} where D keeps its own term; D alone raises the printed $f_{{acc}}$ to "
    "{literal_f_acc_D_alone|>} or more, its own to {correct_f_acc_D_alone|<1} at most"
)
ROBUSTNESS = (
    "“Discriminators are less susceptible to adversarial examples”: epsilon 0.1 turns {flipped_GANs_D|>%} or more of what a "
    "GAN's D had right,\n{flipped_classifier|%} of a classifier's, {flipped_D_of_noise|%} of that of a D of digits and noise"
)
MEMORY = (
    "“cannot memorize training data”: taught {memorised|.0f} digits ({weights_for_each_pixel|.1f} weights a pixel), G is "
    "{nearest_of_few|.1f} from them,\n{nearest_stranger_of_few|.1f} from {strangers|,.0f} others; taught all, "
    "{nearest_of_all|.2f} from as many of them, {nearest_stranger_of_all|.2f} from others"
)
JUDGES = ("the GAN's D", "a classifier", "a D of digits and noise")


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


KINDS: dict[str, type[GAN]] = {"correct": GAN, "literal": OneLossGAN}
OBJECTIVES = {"correct": correct, "literal": literal}


def play(kinds: list[str], x: np.ndarray, s, seeds: range, steps: int, z: int, r1: float = 0.0) -> dict[str, list[tuple]]:
    """Play a game of dense players on images in [0, 1] for each kind and seed; return it with D(G(z)) at each step."""
    cases, found = {kind: (kind,) for kind in kinds}, {}
    what = f"{len(x):,} images, "
    for kind, runs in run_cases(played, cases, seeds, x, s, steps, z, r1, steps=steps, what=what).items():
        found[kind] = []
        for state, believed in runs:
            game = make_game(kind, s, z, r1)
            game.load_state_dict(state)
            found[kind].append((game, believed))
    return found


def played(seed: int, kind: str, x: np.ndarray, s, steps: int, z: int, r1: float) -> tuple[dict, np.ndarray]:
    """The game's state at the end, and D(G(z)) at each step; the learning rates fall to 0."""
    mg.seed(seed)
    game = make_game(kind, s, z, r1)
    figures = train(game, minibatches(x, s), steps, "game")
    return game.state_dict(), np.array([row["D_fake"] for row in figures])


def make_game(kind: str, s, z: int, r1: float) -> GAN:
    """The dense players and their optimizers."""
    G, D = dense_players(z, s.width)
    return KINDS[kind](G, D, data.noise(z), *adams(G, D, s.lr, s.lr), r1=r1)


def minibatches(x: np.ndarray, s) -> Iterator[np.ndarray]:
    """Of the images, with pixels in [-1, 1]."""
    return data.batches(2 * x - 1, size=min(s.batch, len(x)))


def pixels(game: GAN, n: int) -> np.ndarray:
    """n samples, from tanh's [-1, 1] to [0, 1]."""
    return ((game.sample(n) + 1) / 2).clip(0, 1)


def one_loss(claim: Claim, x: np.ndarray, judge: metrics.Judge, s, seeds: range) -> list[GAN]:
    """Slide: "we can instead use a different loss term for the fake data that yields the same desired behavior but trains
    faster" (CS/DS 541, class 19). It is printed in f_acc, which D increases, but meant for G alone. Returns the games that are
    played as it is meant.
    """
    alone = run_cases(d_alone, {name: (name,) for name in OBJECTIVES}, seeds, x, s, steps=0, what="D alone, ")
    classes, distances, first, games = {}, {}, [], {}
    for name, runs in play(list(KINDS), x, s, seeds, s.steps, s.z).items():
        samples = [pixels(game, s.samples) for game, _ in runs]
        quality = [metrics.image_quality(some, judge, x) for some in samples]
        games[name], classes[name] = [game for game, _ in runs], [row["classes"] for row in quality]
        first.append(samples[0][:20])
        distances[name] = [row["frechet"] for row in quality]
        claim.note(f"{name}_frechet", np.mean(distances[name]), "reported: mean over the seeds")
        believed = np.concatenate([D_fake[-len(D_fake) // 10 :] for _, D_fake in runs])
        claim.note(f"{name}_D_fake", np.mean(believed), "reported: mean D(G(z)), last tenth of the game")
    measure_classes(claim, classes["correct"], classes["literal"])
    claim.compare("one f_acc, Frechet distance", compare(distances["literal"], distances["correct"]), {HURTS})
    claim.at_most("correct_f_acc_D_alone", max(map(max, alone["correct"])), 0, quick=True)  # at any step
    claim.at_least("literal_f_acc_D_alone", min(row[-1] for row in alone["literal"]), 10, quick=True)  # at the end
    claim.show(draw_one_loss(np.concatenate(first), alone), "errata_one_loss", claim.words(ONE_LOSS))
    return games["correct"]


def measure_classes(claim: Claim, correct: list[int], literal: list[int]) -> None:
    """The classes that G draws: correct losses, worst seed; one f_acc, best seed. One f_acc costs at least four of ten."""
    claim.note("correct_classes", min(correct), "reported: of 10, in the worst seed")
    claim.at_most("literal_classes", max(literal), 6)
    claim.at_least("classes_lost", min(correct) - max(literal), 4)


def d_alone(seed: int, name: str, x: np.ndarray, s) -> list[float]:
    """D's objective at each of its steps, against a G that does not learn."""
    mg.seed(seed)
    G, D = dense_players(s.z, s.width)
    prior = data.noise(s.z)
    return train_alone(D, lambda m: G(Tensor(prior(m))), minibatches(x, s), s.alone_steps, s.lr, OBJECTIVES[name])


def draw_one_loss(images: np.ndarray, alone: dict[str, list]) -> plt.Figure:
    """Samples of the first seed: two rows by the correct losses, two by the printed one; D's objective, step by step."""
    figure, (left, right) = slide(1, 2, height=6.4)
    labelled(left, images, 10, ["D's own\nterm", "one $f_{acc}$"], rows_each=2)
    left.set(title="G's samples", ylabel="losses")
    names = {"correct": "$\\log(1 - D(G(z)))$", "literal": "$-\\log D(G(z))$"}
    for (name, label), colour, line in zip(names.items(), OTHERS, ("-", "--"), strict=False):
        right.plot(np.transpose(alone[name]), color=colour, linewidth=1, linestyle=line)
        right.plot([], color=colour, linestyle=line, label=f"fake data's term: {label}")
    right.set(yscale="symlog", xlabel="step of D alone", ylabel="$f_{acc}$, by D (symmetric log scale)", title="G stands still")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


class Signed(nn.Module):
    """Pixels in [0, 1] to [-1, 1], the range that D is trained on."""

    def forward(self, x: Tensor) -> Tensor:
        return 2.0 * x - 1.0


def judging(D: nn.Module) -> Classifier:
    """D as a classifier of images in [0, 1]: 1 is real, 0 is fake."""
    return Classifier(nn.Sequential(Signed(), D, nn.Reshape()), classifiers.wrongness, (0, 1))


def robustness(claim: Claim, games: list[GAN], x, y, others, s, seeds: range) -> None:
    """Slide: "Discriminators are less susceptible to adversarial examples" (Generative Adversarial Networks)."""
    real, classes = others[0][: s.attacked], others[1][: s.attacked]
    labels = np.repeat([1, 0], len(real))
    found: dict = {name: [] for name in JUDGES}
    name, steps = "a D of noise and a classifier", s.classifier_steps
    of_others = run_cases(flips_of_others, {name: ()}, seeds, x, y, real, classes, s, steps=steps)[name]
    for game, (of_noise, of_classifier) in zip(games, of_others, strict=True):
        images = np.concatenate([real, pixels(game, len(real))])
        found["the GAN's D"].append([flips(judging(game.D), images, labels, e) for e in s.epsilons])
        found["a D of digits and noise"].append(of_noise)
        found["a classifier"].append(of_classifier)
    rates = {name: np.array(rows)[:, s.epsilons.index(0.1)] for name, rows in found.items()}
    claim.at_least("flipped_GANs_D", rates["the GAN's D"].min(), 0.9)  # at epsilon 0.1, the worst seed
    less = compare(rates["the GAN's D"], rates["a classifier"])
    claim.compare("flipped, the GAN's D instead of a classifier", less, (HURTS, NOTHING))
    claim.note("flipped_classifier", rates["a classifier"].mean(), "reported: mean over the seeds, at epsilon 0.1")
    claim.note("flipped_D_of_noise", rates["a D of digits and noise"].mean(), "reported: mean over the seeds, at epsilon 0.1")
    claim.show(draw_robustness(found, s), "errata_robustness", claim.words(ROBUSTNESS))


def flips_of_others(seed: int, x, y, real: np.ndarray, classes: np.ndarray, s) -> tuple[list[float], list[float]]:
    """The shares that flip, by epsilon: of a new D's digits and noise, and of a new classifier's digits."""
    mg.seed(seed)
    D, classifier, uniform = dense_players(s.z, s.width)[1], classifiers.network(s.width), data.noise(784, "uniform")

    def noise(m: int) -> Tensor:  # images, pixels in [-1, 1]
        return Tensor(uniform(m).reshape(m, 1, 28, 28))

    train_alone(D, noise, minibatches(x, s), s.alone_steps, s.lr)
    images, labels = np.concatenate([real, (noise(len(real)).numpy() + 1) / 2]), np.repeat([1, 0], len(real))
    of_noise = [flips(judging(D), images, labels, e) for e in s.epsilons]
    classifiers.train(classifier, x, y, "a classifier", s.classifier_steps, s.batch, s.lr)
    return of_noise, [flips(classifier, real, classes, e) for e in s.epsilons]


def flips(classifier: Classifier, x: np.ndarray, y: np.ndarray, epsilon: float) -> float:
    """The share of the rightly judged images that are judged wrong after FGSM."""
    right = classifier.probabilities(x).argmax(axis=1) == y
    attacked = classifier.attacked(x[right], y[right], epsilon)
    return float((classifier.probabilities(attacked).argmax(axis=1) != y[right]).mean())


def draw_robustness(found: dict, s) -> plt.Figure:
    """The share that flips, by epsilon; a line for each seed."""
    figure, axes = slide(height=6.6)
    for name, colour, marker, line in zip(JUDGES, OTHERS, MARKERS, ("-", "--", ":"), strict=False):
        axes.plot(s.epsilons, np.transpose(found[name]), color=colour, marker=marker, linestyle=line)
        axes.plot([], color=colour, marker=marker, linestyle=line, label=name)
    axes.set(xlabel="epsilon of FGSM, for pixels in [0, 1]", ylabel="share judged wrong, of those judged right")
    axes.set(ylim=(-0.02, 1.02))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def memory(claim: Claim, games: list[GAN], x: np.ndarray, others: np.ndarray, s, seeds: range) -> None:
    """Slide: "Generative models cannot memorize training data since they do not have enough parameters" (Security and
    Fairness of Deep Learning, CMU). With 16 digits, the slide's own condition is not met: G has 9.5 weights for each of their
    pixels. With all digits it is met, and G is not nearer to 2,000 of them than to as many others.
    """
    few, others = x[: s.memorised], others[: s.strangers]
    copying = [game for game, _ in play(["correct"], few, s, seeds, s.memory_steps, s.memory_z, s.memory_r1)["correct"]]
    claim.note("memorised", len(few), "reported: digits that G is taught")
    claim.note("strangers", len(others), "reported: held-out digits")
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
            claim.at_most("memory_ratio", max(ratio), 1)  # the worst seed: nearer to its own few than to many others
    claim.show(draw_memory(pixels(copying[0], 10), few), "errata_memory", claim.words(MEMORY))


def draw_memory(samples: np.ndarray, few: np.ndarray) -> plt.Figure:
    """Ten samples, and below each the nearest of the few training images."""
    figure, axes = slide(height=4)
    apart = ((samples - few[:, None, 0][:, :, None]) ** 2).sum(axis=(2, 3, 4))  # (few, samples)
    labelled(axes, np.concatenate([samples, few[apart.argmin(axis=0)]]), 10, ["$G(z)$", "nearest\n$x$"])
    axes.set(xlabel="ten samples of G, and below each the nearest of the digits that it was taught")
    return figure
