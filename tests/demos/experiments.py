"""Each demo's experiment with the smallest settings: the rows of test_every_experiment.py."""

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from demos.architectures import infogan, lapgan, pyramid
from demos.catalogue import chapter_of
from demos.generative_models import cycle
from demos.kit import digits, mixtures
from demos.kit import run as kit
from demos.kit.claim import Claim
from demos.kit.runner.checkpoint import running
from demos.training import tips
from demos.training.techniques import ImprovedGAN
from demos.training.tricks import TrickedGAN, Tricks
from demos.training.tricks import players as tricks_players
from minigan import data, metrics, optim
from minigan.games import GAN
from tests.demos.running import summary_of

LEARNERS = ["minigan.data.batches", "minigan.metrics.train_judge"]  # their arguments are learnt from
DRAWING = "picture", "second_picture", "draw_", "animate"  # how the names of functions begin that draw


@dataclass
class Row:
    """Settings by which a demo takes a moment, as for --set. Of a demo of digits: metrics that held-out digits decide about.

    `learners`: further functions of which the first argument is learnt from. `constants`: of modules, and smaller values.
    `games`: the demo's own, which `playable` makes.
    """

    settings: str
    held_out: list[str] = field(default_factory=list)
    learners: list[str] = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    games: dict[str, Callable] = field(default_factory=dict)


def playable(kind, players, prior, batches, **options):
    """A game by Adam, and its minibatches."""
    return kind(*players, prior, *(optim.Adam(player.parameters(), 1e-2) for player in players), **options), batches


def tricked():
    chosen, batches = Tricks(noise=0.2, soft=True, dropout=0.5), data.batches(data.glyphs(40)[0], size=20)
    return playable(TrickedGAN, tricks_players(chosen, 4, 8), data.noise(4), batches, tricks=chosen, steps=8)


def tipped(kind):
    s = tips.Settings(z=4, width=8, kept=20)
    return tips.make_game(kind, s), data.batches(*data.glyphs(40), size=20)


def improved_game(**options):
    players, batches = (mixtures.generator(6), mixtures.discriminator(6)), data.batches(mixtures.RING.sample(100), size=20)
    return playable(ImprovedGAN, players, data.noise(2), batches, **options)


def level():
    images = data.glyphs(40)[0]
    G = pyramid.Residual(lapgan.painter(2), *pyramid.least_squares(images))
    players = G, pyramid.OfSum(lapgan.critic(28, 2))
    return playable(GAN, players, pyramid.RealCondition(pyramid.down(images)), pyramid.Pairs(images, 20))


def cycles():
    return cycle.game(1.0, cycle.Settings(width=4)), cycle.TURNED.batches(16)


def codes():
    return infogan.game(1.0, infogan.Settings(channels=2, width=8)), data.batches(np.zeros((40, 1, 14, 14), np.float32), size=8)


LINEAR = [f"demos.generative_models.autoencoders.{name}" for name in ("pca", "linear_map")]
STEPS = {"demos.wasserstein.limit_cycles.STEPS": 1000, "demos.wasserstein.predictors.STEPS": 20}
IMPROVED = {"label smoothing": {"alpha": 0.9}, "historical averaging": {"weight": 0.1}}
ROWS = {
    "saddle": Row("steps=3"),
    "detach": Row(""),
    "ladder": Row("moments=1,2 iterations=2 samples=50"),
    "convergence": Row("steps=2 table_steps=3 snapshots=1 width=8 batch=16"),
    "optimal_discriminator": Row("steps=2 ascents=2 pairs=3 width=8"),
    "transform": Row("steps=2 pairs=1 n=100 g_width=8 d_width=8"),
    "errata": Row(
        "steps=10 width=8 alone_steps=2 classifier_steps=2 samples=20 attacked=40 memory_steps=2 strangers=20 pairs=10"
        " line_steps=10 pretraining=2 ring_steps=6 ring_width=8",
        ["flipped_GANs_D", "flipped_D_of_noise", "nearest_stranger_of_few", "nearest_stranger_of_all"],
    ),
    "vae": Row(
        "steps=20 plane_steps=2 gan_steps=20 width=8 gan_width=8 judged=20 watched=10 batch=20 gan_batch=20",
        ["elbo", "elbo_of_a_plane", "every_pixel_by_itself", "objective_by_encoder", "loss_D_by_D", "frechet_unseen_images"],
    ),
    "autoencoder": Row(
        "width=8 channels=1 dense_steps=2 conv_steps=1 dense_batch=20 conv_batch=20 pairs=10",
        ["reconstruction, dense: error", "inpainting, conv: error", "nearest training image, dense: between pixels"],
        LINEAR,
    ),
    "fillings": Row(
        "images=6 samples=2 descents=1 mapped=40 width=8 steps=2 batch=20",
        ["hole of 8, GAN: error", "hole of 16, regression: error", "without a hole: Frechet distance"],
        LINEAR[1:],
    ),
    "parzen": Row(
        "samples=10 test=20 validation=10 sigmas=2 components=2",
        [f"{name}: log-likelihood" for name in ("GAN", "training images", "k-means centres")],
        ["demos.generative_models.autoencoders.principal_components"],
    ),
    "pretraining": Row(
        "width=8 depth=2 pretraining_steps=2 steps=2 batch=20 labels=20,40",
        [f"{unit}, 40 labels, {start}: errors (%)" for unit in ("sigmoid", "ReLU") for start in ("random", "pretrained")],
    ),
    "why_pretraining": Row(
        "width=8 unlabelled=20 pretraining_steps=2 steps=2 batch=20 labels=20 moments=2",
        ["depth 1, random: errors (%)", "deepest, pretrained: errors (%)"],
    ),
    "boltzmann": Row(
        "hidden=4 steps=40 mean_field_steps=40 gibbs=2 chains=20 batch=10 images=20",
        ["the mean image's error", "CD-1: error over the mean image's, worst seed"],
    ),
    "latent": Row("steps=2 batch=20 width=8 z=4 points=2 pairs=5"),
    "adversarial_autoencoder": Row(
        "steps=2 fresh_steps=2 batch=20 width=8 d_width=8 judged=20",
        ["KS distance from the prior", "squared error, plain", "squared error, adversarial"],
    ),
    "ali": Row("steps=2 batch=20 grid_steps=2 judge_steps=2 width=8 judged=40", ["judge's errors", "same class"]),
    "fair": Row("steps=2 batch=20 judge_steps=2 width=8", ["squared error, with the term", "the class from z, with the term"]),
    "variational_bayes": Row("steps=2 moving=1 every=1 width=8 t_width=8 codes=20"),
    "cycle": Row("steps=4 width=4 batch=8 points=40", games={"cycle": cycles}),
    "averages": Row("steps=4 width=8 batch=16 moments=4 turns=3"),
    "bayesian_gan": Row("steps=4 kept=2 width=4 points=100 judged=60"),
    "coadaptation": Row("toy_steps=4 steps=4 every=1 border=4 width=8 batch=20"),
    "collapse": Row("iterations=12 width=8 batch=16 samples=100"),
    "equilibrium": Row("steps=8 few_steps=8 few=20 alone=4 width=8 batch=20 images=20 looks=4", ["D_held_out"]),
    "hacks": Row(
        "steps=2 norm_steps=2 conv_steps=2 width=8 batch=20 channels=2 samples=40",
        ["real_frechet"],
        games={"all tricks": tricked},
    ),
    "improved": Row(
        "steps=2 line_steps=2 line_width=8 toy_steps=4 width=8 batch=16 samples=50 reference=4",
        games={name: partial(improved_game, **options) for name, options in IMPROVED.items()},
    ),
    "perfect_discriminator": Row("steps=20 every=10 probes=8 width=8 batch=16"),
    "saturation": Row("pretraining=200 steps=2 every=1 batch=32"),
    "semi_supervised": Row("labels=10 steps=6 width=8 batch=20 batch_labelled=10 looks=2", ["alone: errors (%)"]),
    "tips": Row("steps=2 width=8 batch=20 samples=40 kept=20", games={kind: partial(tipped, kind) for kind in tips.TIPS}),
    "tempo": Row("cost=24 moments=4 width=8 batch=16"),
    "conditioning": Row("steps=2 rare_steps=2 looks=2 width=8 batch=20 few=4 judged=40 judge_steps=2"),
    "colour": Row("steps=2 channels=2 batch=8 looks=2 samples=20"),
    "features": Row(
        "steps=2 channels=2 batch=8 draws=2 labels=10,20 code=4 width=8 code_steps=2 code_batch=20 pool=40 chosen_on=20",
        ["D of a GAN, fewest labels: errors (%)", "pixels, most labels: errors (%)"],
    ),
    "infogan": Row(
        "steps=2 channels=2 width=8 batch=8 judged=40 judge_steps=2", ["judge's errors, real images"], games={"infogan": codes}
    ),
    "lapgan": Row(
        "steps=2 middle_steps=2 coarse_steps=2 single_steps=2 width=8 channels=2 batch=20 conv_batch=8",
        games={"level": level},
    ),
    "ebgan": Row("steps=2 alone_steps=2 line_steps=12 width=8 line_width=4 batch=20 line_batch=8"),
    "referee": Row("samples=20 neighbours=10 steps=2"),
    "earth_mover": Row("thetas=-0.5,0.0,1.0 steps=2 batch=16 width=8"),
    "learning_curves": Row(
        "curves.steps=8 curves.moments=4 stability.hidden=1 stability.ring_steps=3 stability.digits_steps=3 stability.looks=3"
        " stability.width=8 stability.points=6"
    ),
    "limit_cycles": Row("updates=6 width=8 batch=16 samples=20", constants=STEPS),
    "jacobian": Row("turns=3 cycle_turns=3 step=0.5 lower=0.8 G_width=2 D_width=2 steps=4 moments=2"),
    "without_tricks": Row(
        "steps=1 r1_steps=1 hinge_steps=1 channels=2 batch=8 samples=20",
        ["Frechet distance, unseen real images"],
    ),
    "stabilisers": Row("steps=8 width=4 batch=8 moments=4 calls=200"),
    "fgsm": Row("steps=2 width=8 batch=20 epsilons=0.0,0.05,0.25", ["network_error"]),
    "dimension": Row("steps=2 networks=1 few=10 width=16 batch=5", ["pooled, linear: median margin"]),
    "fooled": Row(
        "steps=20 width=16 batch=20 images=10 part=10 searches=2 descents=2 noise=20 pushed=10",
        ["error, %, worst seed", "|r| / sqrt(n)"],
    ),
    "adversarial_training": Row(
        "steps=2 width=8 batch=20 epsilons=0.0,0.25 pgd_steps=1", ["usual, clean", "usual, FGSM", "usual, PGD"]
    ),
    "signs": Row("usual_steps=2 steps=2 batch=8 channels=2 epsilon=0.01 k=1 attack_steps=1 starts=1 test=200 twos=10"),
    "patch": Row("classifier_steps=2 patch_steps=2 held_out=40 judge_steps=2", ["accuracy_on_scenes, worst seed"]),
    "manifold_defense": Row(
        "steps=2 channels=2 encoder_steps=2 judge_steps=2 images=10 descents=2 pairs=4 attack_steps=2 minibatches=2 batch=20"
    ),
}


def module_of(name):
    """The module of a demo."""
    return import_module(f"demos.{chapter_of(name)}.{name}")


def smallest_run(name, out, images, seed=0, *options):
    """A demo's metrics with the smallest settings, and all arrays that it has learnt from. It draws nothing.

    `images`: x, y, (others, classes), which are loaded instead of digits.
    """
    main, row, learnt = module_of(name).main, ROWS[name], []
    with pytest.MonkeyPatch.context() as m:

        def listen(path, everything):
            where, _, function = path.rpartition(".")
            learn = getattr(import_module(where), function)

            def listening(*arguments, **named):
                learnt.extend(a for a in arguments[: None if everything else 1] if isinstance(a, np.ndarray))
                return learn(*arguments, **named)

            m.setattr(path, listening)

        for path, value in row.constants.items():
            m.setattr(path, value)
        m.setattr(digits, "SAMPLES", 40)
        m.setattr(kit, "QUICK_SNAPSHOTS", 2)
        m.setattr(digits, "load", lambda args, n=None: images)
        m.setattr(metrics, "train_judge", lambda *arguments, **named: metrics.Judge(np.random.default_rng(0)))
        for path in LEARNERS + row.learners:
            listen(path, everything=path in LEARNERS)
        m.setattr(Claim, "show", lambda *arguments: plt.close("all"))
        chapter = main.module.rpartition(".")[0]
        for module in [module for path, module in sys.modules.items() if path.startswith(f"{chapter}.")]:
            for function in [function for function in vars(module) if function.startswith(DRAWING)]:
                m.setattr(module, function, lambda *arguments: None)
        with suppress(SystemExit):  # so short a run need not find what is expected
            sets = [f"--set={each}" for each in row.settings.split()]
            main(["--quick", "--jobs=1", f"--seed={seed}", "--out", str(out), *sets, *options])
    running.close()
    found = summary_of(out)["metrics"]
    return {name: value for name, value in found.items() if not name.startswith("seconds")}, learnt


def judged(measure, *made_up, **settings):
    """The report of a full run that found this."""
    claim = Claim(SimpleNamespace(quick=False, data="glyphs"), settings)
    measure(claim, *made_up)
    return claim


def broken(claim):
    """The bounds that do not hold."""
    return {name for name, holds in claim.holds.items() if not holds}
