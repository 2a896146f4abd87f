"""Slides taken to the letter: which of their sentences go wrong, how far, and what is meant instead.

Slide: "Discriminators are less susceptible to adversarial examples" (Generative Adversarial Networks); "Generative models
cannot memorize training data since they do not have enough parameters" (Security and Fairness of Deep Learning, CMU); "Get rid
of mode collapse" (IT3320E, lecture 10)

Each panel's title quotes a sentence; its experiment is a function in errata_*.py. What was found, on three seeds:
one f_acc = E log D(x) + E[-log D(G(z))] for both players has no upper bound for D, and in the game D(G(z)) goes to 1, where
its slope vanishes: G draws 2 of the 10 classes, and all 10 where D keeps log(1 - D(G(z))). V is convex in p_g, but not in
theta. FGSM with epsilon 0.1 turns 98 % of what a GAN's D had right, more than of a classifier's (87 %); a D that tells digits
from noise, an easy task, is hard to fool. A G taught 16 digits returns them: its samples are 2.4 from the nearest, 4.6 from
the nearest of 2,000 others (one taught 60,000: 6.1 and 6.1). A pre-trained D holds a saturating G up 4.8 times as
long, or longer. WGAN collapses, too, where its critic lags (one step an iteration, at a lower rate than G's); with the paper's
settings it does not, but is slow: 16 % of the samples lie within 3 std of a mode by then.
What to look for: where a sentence is true under a condition (p_g, a critic that keeps up), the panel shows both sides.
"""

from dataclasses import asdict, dataclass, replace

import matplotlib.pyplot as plt

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.progress import progress
from demos.kit.run import start
from demos.the_slides import errata_digits as on_digits
from demos.the_slides import errata_formulas as formulas
from demos.the_slides import errata_games as games
from minigan import metrics


@dataclass
class Settings:
    """Everything that the result depends on, besides the seed."""

    seeds: int = 3
    # digits
    steps: int = 2500  # iterations of a game; the learning rates fall linearly to 0
    z: int = 64
    width: int = 128  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 1e-3
    samples: int = 2000  # that the judge looks at
    alone_steps: int = 500  # of a D whose fakes do not learn
    classifier_steps: int = 2000
    epsilons: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)  # of FGSM, for pixels in [0, 1]
    attacked: int = 1000  # held-out digits, and as many fakes
    memorised: int = 16  # digits that G is taught, and nothing else
    memory_steps: int = 4000
    memory_z: int = 8
    memory_r1: float = 1.0
    strangers: int = 2000  # held-out digits, one of which may be as near as the training's
    # formulas
    pairs: int = 1000  # whose chord is compared with V half way
    bins: int = 20  # of a histogram
    # games on the line and on the ring
    line_width: int = 64
    line_batch: int = 256
    line_lr: float = 1e-3  # Adam's, of D alone
    pretraining: int = 300  # steps of D alone
    line_steps: int = 600
    every: int = 10  # iterations between two measurements
    momentum_lr: float = 2e-3  # of both players, with momentum 0.9
    ring_steps: int = 1200
    ring_width: int = 128


QUICK = {"seeds": 1, "steps": 150, "width": 64, "alone_steps": 100, "classifier_steps": 150, "samples": 300, "attacked": 200}
QUICK |= {"memory_steps": 400, "strangers": 200, "pairs": 200, "ring_steps": 240, "ring_width": 64, "line_steps": 300}


def main(argv: list[str] | None = None) -> None:
    """Each sentence's experiment, and its panel."""
    args = start(digits.options(__doc__), argv, "errata")
    s = replace(Settings(), **QUICK) if args.quick else Settings()
    claim, seeds = Claim(args, {"data": args.data, **asdict(s)}), range(args.seed, args.seed + s.seeds)
    x, y, others = digits.load(args)
    judge = metrics.train_judge(x, y, steps=60) if args.quick else metrics.judge(x, y, progress=progress)

    one_loss = on_digits.one_loss(claim, x, judge, s, seeds)
    trained = one_loss["correct"]["games"]
    found = {
        "one_loss": one_loss,
        "convexity": formulas.convexity(claim, s, args.seed),
        "robustness": on_digits.robustness(claim, trained, x, y, others, s, seeds),
        "memory": on_digits.memory(claim, trained, x, others[0], s, seeds),
        "pretrained": games.pretrained(claim, s, seeds),
        "critic_steps": formulas.critic_steps(claim),
        "optimism": formulas.optimism(claim, s, args.seed),
        "collapse": games.collapse(claim, s, seeds),
    }
    claim.finish(picture(found, claim.metrics, s), "errata")


def picture(found: dict, figures: dict[str, float], s: Settings) -> plt.Figure:
    """A panel for each sentence: its title quotes it, and says what happens."""
    with plt.rc_context({"axes.titlesize": 11}):
        figure, places = plt.subplots(3, 3, figsize=(19, 15), layout="constrained")
    (a, b, c), (d, e, f), (g, h, i) = places
    on_digits.draw_samples(a, found["one_loss"])
    on_digits.draw_alone(b, found["one_loss"])
    formulas.draw_convexity(c, found["convexity"], figures, s)
    on_digits.draw_robustness(d, found["robustness"], figures, s)
    on_digits.draw_memory(e, found["memory"], figures, s)
    games.draw_pretrained(f, found["pretrained"], figures, s)
    formulas.draw_critic_steps(g, found["critic_steps"])
    formulas.draw_optimism(h, found["optimism"])
    games.draw_collapse(i, found["collapse"], figures)
    figure.suptitle("Sentences of the slides, taken to the letter, and what happens", fontsize=18)
    return figure


if __name__ == "__main__":
    main()
