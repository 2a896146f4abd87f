"""With few labels, deep sigmoid networks err less if each layer has first learnt, alone, to reconstruct unlabelled digits.

Slide: "Unsupervised approach for learning a lower-dimensional feature representation from unlabeled training data"; "Stacked
auto-encoders: Bengio et al., Greedy Layer-Wise Training of Deep Networks, NIPS 2006" (Security and Fairness of Deep Learning,
CMU)

    h_0 = x,  h_l = s(W_l h_(l-1) + b_l)        layer l alone: V_l s(W_l h~ + b_l) + c_l reconstructs h_(l-1), without any label

h~ is h_(l-1) with a quarter of its entries set to 0 (a denoising autoencoder). What has been learnt of W_1, b_1, ... is where
the training with labels begins; the decoders V_l are thrown away. The comparison starts from random weights, and has the
same labels, minibatches, rate and number of steps. What to look for: the errors on unseen digits against the number of labels,
a dot for each seed, with sigmoids and with ReLUs; and the weights of the first layer's units, which become strokes. Found: with
100 labels pretraining removes more than a quarter of the sigmoids' errors. Nor is it that random weights do not learn: the
errors on the labelled digits themselves are 0 from either start (Erhan et al. 2010). ReLUs gain less, and nothing with 3000
labels.
"""

from dataclasses import asdict, dataclass, replace
from itertools import pairwise, product

import matplotlib.pyplot as plt
import numpy as np

import minigan as mg
from demos.generative_models import autoencoders
from demos.kit import digits
from demos.kit.checkpoints import once
from demos.kit.claim import Claim
from demos.kit.classifiers import in_parts
from demos.kit.pictures import FAKE, REAL, strokes
from demos.kit.run import start
from minigan import Tensor, backend, losses, nn, no_grad, relu, sigmoid


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    unlabelled: int = 10_000  # images
    width: int = 256  # of each hidden layer
    depth: int = 3  # hidden layers
    corruption: float = 0.25  # share of a layer's inputs that its autoencoder does not see
    pretraining_steps: int = 600  # for each layer
    steps: int = 500  # with labels
    batch: int = 100
    lr: float = 4e-3  # Adam's, falling to 0, without and with labels
    labels: tuple[int, ...] = (100, 600, 3000)
    seeds: int = 5


QUICK = {"unlabelled": 2000, "width": 128, "depth": 5, "pretraining_steps": 200, "steps": 200, "labels": (100, 300), "seeds": 1}
ACTIVATIONS = {"sigmoid": (nn.Sigmoid, sigmoid), "ReLU": (nn.ReLU, relu)}
STARTS = {"random": FAKE, "pretrained": REAL}
SHOWN = 64  # units of the first layer, in the picture


def main(argv: list[str] | None = None) -> None:
    """Each kind of units with every seed; each number of labels from both starts."""
    args = start(digits.options(__doc__), argv, "pretraining")
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    claim = Claim(args, {"data": args.data, **asdict(s)})
    x, y, unseen = digits.load(args)
    seeds = range(args.seed, args.seed + s.seeds)
    runs = {u: [once(f"{u}, seed {seed}", compare, u, x, y, unseen, s, seed) for seed in seeds] for u in ACTIVATIONS}
    measure(claim, runs, s)
    claim.finish(picture(claim.metrics, runs, s), "pretraining")


# --- the networks -------------------------------------------------------------------------------------------------------


def network(units: str, s: Settings) -> nn.Sequential:
    """Hidden layers of these units, and ten logits."""
    sizes, activation = [autoencoders.PIXELS, *[s.width] * s.depth], ACTIVATIONS[units][0]
    hidden = [layer for sides in pairwise(sizes) for layer in (nn.Dense(*sides), activation())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Dense(s.width, 10))


def pretrain(model: nn.Sequential, x: np.ndarray, s: Settings, name: str) -> None:
    """One hidden layer after the other learns to encode what the layers below it make of x."""
    h, rng = x.reshape(len(x), -1), backend.spawn()
    for l in range(s.depth):
        layer, activation = model[1 + 2 * l], model[2 + 2 * l]
        decoder = nn.Dense(*layer.weight.shape[::-1])
        bounded = l == 0 or isinstance(activation, nn.Sigmoid)  # pixels, too, are in [0, 1]

        def objective(h, layer=layer, activation=activation, decoder=decoder, bounded=bounded):
            seen = h * (rng.random(h.shape) >= s.corruption).astype(h.dtype)
            return (reconstruction_loss(decoder(activation(layer(Tensor(seen)))), Tensor(h), bounded),)

        label = f"{name}, layer {l + 1}"
        autoencoders.train(objective, [layer, decoder], [h], label, s.pretraining_steps, s.batch, s.lr, rng=rng)
        h = forward(nn.Sequential(layer, activation), h)


def reconstruction_loss(v: Tensor, h: Tensor, bounded: bool) -> Tensor:
    """The log-loss of sigma(v), where h is between 0 and 1, or else the squared error of v."""
    return losses.log_loss_with_logits(v, h) if bounded else losses.mse(v, h)


def forward(model: nn.Module, x: np.ndarray) -> np.ndarray:
    """What the model makes of x."""
    with nn.eval_mode(model), no_grad():
        return in_parts(lambda x: model(Tensor(x)).numpy(), x)


def finetune(model: nn.Sequential, x: np.ndarray, y: np.ndarray, s: Settings, name: str) -> None:
    """Train all layers with labels."""
    mg.seed(0)  # the same minibatches from either start

    def objective(x, y):
        return (losses.cross_entropy(model(Tensor(x)), y),)

    autoencoders.train(objective, [model], [x, y], name, s.steps, min(s.batch, len(x)), s.lr)


def wrong(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
    """Errors, in per cent."""
    return 100 * float((forward(model, x).argmax(axis=1) != y).mean())


def compare(units: str, x: np.ndarray, y: np.ndarray, unseen: tuple[np.ndarray, np.ndarray], s: Settings, seed: int) -> dict:
    """Errors on unseen digits and on those with labels, by start and number of labels; first units at the start."""
    mg.seed(seed)
    order = backend.spawn().permutation(len(x))
    x, y = x[order], y[order]
    model = network(units, s)
    states = {"random": model.state_dict()}
    pretrain(model, x[: s.unlabelled], s, f"{units}, seed {seed}")
    states["pretrained"] = model.state_dict()
    found = {"weights": {name: state["layers.1.weight"][:, :SHOWN] for name, state in states.items()}}
    for name, n in product(STARTS, s.labels):
        model.load_state_dict(states[name])
        finetune(model, x[:n], y[:n], s, f"{units}, seed {seed}, {name}, {n} labels")
        found[name, n] = wrong(model, *unseen), wrong(model, x[:n], y[:n])
    return found


# --- the figures and the picture ----------------------------------------------------------------------------------------


def measure(claim: Claim, runs: dict[str, list[dict]], s: Settings) -> None:
    """The errors; the sigmoids' with the fewest labels are those that the claim is about."""
    few = s.labels[0]
    better = sum(run["pretrained", few][0] < run["random", few][0] for run in runs["sigmoid"])
    need = max(1, s.seeds - 1)
    claim.note(f"sigmoid, {few} labels: seeds where pretraining helps", better, f"at least {need} of {s.seeds}", better >= need)
    for (units, trainings), n, name in product(runs.items(), s.labels, STARTS):
        unseen, labelled = np.mean([run[name, n] for run in trainings], axis=0)
        claim.note(f"{units}, {n} labels, {name}: errors (%)", unseen, "on unseen digits, mean over the seeds")
        claim.note(f"{units}, {n} labels, {name}: training errors (%)", labelled)
    for units, trainings in runs.items():
        gain = min(run["random", few][0] - run["pretrained", few][0] for run in trainings)
        claim.note(f"{units}, {few} labels: fewer errors, worst seed", gain, "reported: percentage points")


def picture(found: dict[str, float], runs: dict[str, list[dict]], s: Settings) -> plt.Figure:
    """Errors against the number of labels, for each kind of units; the first layer's weights from both starts."""
    figure, places = plt.subplots(1, 4, figsize=(16, 4.6), layout="constrained", width_ratios=(5, 5, 4, 4))
    top = 1.1 * max(run[key][0] for trainings in runs.values() for run in trainings for key in product(STARTS, s.labels))
    for axes, (units, trainings) in zip(places, runs.items(), strict=False):
        for name, colour in STARTS.items():
            errors = np.array([[run[name, n][0] for n in s.labels] for run in trainings])  # (seeds, numbers of labels)
            axes.semilogx(s.labels, errors.mean(axis=0), color=colour, label=name)
            axes.semilogx(s.labels, errors.T, ".", color=colour)
        axes.set(title=f"{s.depth} layers of {units}s", xlabel="labels", ylabel="errors on unseen digits (%)", ylim=(0, top))
        axes.set_xticks(s.labels, s.labels)
        axes.minorticks_off()
        axes.legend()
    for axes, (name, weights) in zip(places[2:], runs["sigmoid"][0]["weights"].items(), strict=True):
        autoencoders.show(axes, strokes(weights), 8, f"sigmoids' first layer, {name}")
    errors = [found[f"sigmoid, {s.labels[0]} labels, {name}: errors (%)"] for name in STARTS]

    figure.suptitle(
        f"With {s.labels[0]} labels, pretraining without labels takes a deep sigmoid network "
        f"from {errors[0]:.1f} % errors to {errors[1]:.1f} %"
    )
    return figure


if __name__ == "__main__":
    main()
