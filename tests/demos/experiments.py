"""Each demo's experiment with the smallest settings: the rows of test_every_experiment.py."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module

import numpy as np
import pytest

from demos.catalogue import chapter_of
from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.runner.checkpoint import running
from minigan import metrics
from tests.demos.running import summary_of

LEARNERS = ["minigan.data.batches", "minigan.metrics.train_judge"]  # their arguments are learnt from
DRAWING = "picture", "second_picture", "draw_", "animate"  # how the names of functions begin that draw


@dataclass
class Row:
    """Settings by which a demo takes a moment. Of a demo of digits: metrics that held-out digits must decide about.

    `learners`: further functions of which the first argument is learnt from.
    """

    settings: dict
    held_out: tuple[str, ...] = ()
    learners: list[str] = field(default_factory=list)


SMALL_ERRATA = {"steps": 10, "width": 8, "alone_steps": 2, "classifier_steps": 2, "samples": 20, "attacked": 40}
SMALL_ERRATA |= {"memory_steps": 2, "strangers": 20, "pairs": 10, "line_steps": 10, "pretraining": 2}
SMALL_ERRATA |= {"ring_steps": 6, "ring_width": 8}
SMALL_VAE = {"steps": 20, "plane_steps": 2, "gan_steps": 20, "width": 8, "gan_width": 8, "judged": 20, "watched": 10}
SMALL_AUTOENCODER = {"width": 8, "channels": 1, "dense_steps": 2, "conv_steps": 1, "dense_batch": 20, "conv_batch": 20}
SMALL_BOLTZMANN = {"hidden": 4, "steps": 40, "mean_field_steps": 40, "gibbs": 2, "chains": 20, "batch": 10, "images": 20}
LINEAR = [f"demos.generative_models.autoencoders.{name}" for name in ("pca", "linear_map")]

ROWS = {
    "saddle": Row({"steps": 3}),
    "detach": Row({}),
    "ladder": Row({"moments": (1, 2), "iterations": 2, "samples": 50}),
    "convergence": Row({"steps": 2, "table_steps": 3, "snapshots": 1, "width": 8, "batch": 16}),
    "optimal_discriminator": Row({"steps": 2, "ascents": 2, "pairs": 3, "width": 8}),
    "transform": Row({"steps": 2, "pairs": 1, "n": 100, "g_width": 8, "d_width": 8}),
    "errata": Row(SMALL_ERRATA, ("flipped_GANs_D", "flipped_D_of_noise", "nearest_stranger_of_few", "nearest_stranger_of_all")),
    "vae": Row(
        {**SMALL_VAE, "batch": 20, "gan_batch": 20},
        ("elbo", "elbo_of_a_plane", "every_pixel_by_itself", "objective_by_encoder", "loss_D_by_D", "frechet_unseen_images"),
    ),
    "autoencoder": Row(
        {**SMALL_AUTOENCODER, "pairs": 10},
        ("reconstruction, dense: error", "inpainting, conv: error", "nearest training image, dense: between pixels"),
        LINEAR,
    ),
    "pretraining": Row(
        {"width": 8, "depth": 2, "pretraining_steps": 2, "steps": 2, "batch": 20, "labels": (20, 40)},
        tuple(
            f"{units}, 40 labels, {start}: errors (%)" for units in ("sigmoid", "ReLU") for start in ("random", "pretrained")
        ),
    ),
    "boltzmann": Row(SMALL_BOLTZMANN, ("the mean image's error", "CD-1: error over the mean image's, worst seed")),
    "latent": Row(
        {"steps": 2, "batch": 20, "width": 8, "z": 4, "points": 2, "pairs": 5, "images": 4, "descents": 2},
        ("inversion_error", "nearest_image"),
    ),
    "adversarial_autoencoder": Row(
        {"steps": 2, "batch": 20, "width": 8, "d_width": 8, "judged": 20},
        ("KS distance from the prior", "squared error, plain", "squared error, adversarial"),
    ),
    "ali": Row(
        {"steps": 2, "batch": 20, "grid_steps": 2, "judge_steps": 2, "width": 8, "judged": 40},
        ("judge's errors", "same class"),
    ),
    "fair": Row(
        {"steps": 2, "batch": 20, "judge_steps": 2, "width": 8},
        ("squared error, with the term", "the class from z, with the term"),
    ),
    "variational_bayes": Row({"steps": 2, "moving": 1, "every": 1, "width": 8, "t_width": 8, "codes": 20}),
    "bayesian_gan": Row({"steps": 4, "kept": 2, "width": 4, "points": 100, "judged": 60}),
}


def module_of(name):
    """The module of a demo."""
    return import_module(f"demos.{chapter_of(name)}.{name}")


def smallest_run(name, out, images, seed=0):
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

        m.setattr(main, "quick", replace(main.chosen(quick=True), **row.settings))
        m.setattr(digits, "load", lambda args, n=None: images)
        m.setattr(metrics, "train_judge", lambda *arguments, **named: metrics.Judge(np.random.default_rng(0)))
        for path in LEARNERS + row.learners:
            listen(path, everything=path in LEARNERS)
        m.setattr(Claim, "show", lambda *arguments: None)
        chapter = main.module.rpartition(".")[0]
        for module in [module for path, module in sys.modules.items() if path.startswith(f"{chapter}.")]:
            for function in [function for function in vars(module) if function.startswith(DRAWING)]:
                m.setattr(module, function, lambda *arguments: None)
        with suppress(SystemExit):  # so short a run need not find what is expected
            main(["--quick", "--jobs", "1", "--seed", str(seed), "--out", str(out)])
    running.close()
    return summary_of(out)["metrics"], learnt


def broken(claim):
    """The bounds that do not hold."""
    return {name for name, holds in claim.holds.items() if not holds}
