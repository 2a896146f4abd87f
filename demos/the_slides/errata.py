"""Slides taken to the letter: which of their sentences are wrong, by how much, and what is meant.

Slide: "Discriminators are less susceptible to adversarial examples" (Generative Adversarial Networks); "Generative models
cannot memorize training data since they do not have enough parameters" (Security and Fairness of Deep Learning, CMU); "Get rid
of mode collapse" (IT3320E, lecture 10); "Exercise - Original loss: [...] - Goodfellow's modified loss: [...]" (CS/DS 552,
class 7)

Each picture's title quotes a sentence; its experiment is a function in errata_*.py. What to look for: with the exercise's
modified loss as printed, one f_acc = E log D(x) + E[-log D(G(z))] for both players, can D raise it without end, and how many
classes does G draw? Is V convex in p_g, and in theta? How many images that a D or a classifier had right does FGSM flip? How
near are G's samples to the digits that it was trained on, if these are 16 (fewer pixels than G has weights), and if they are
all? How long does a pre-trained D delay a saturating G? Is optimistic Adam's first step defined as printed? How many modes
does a WGAN find if its critic keeps up with G, and if it lags? (The critic has a gradient penalty: with clipped weights, some
seeds are much slower than others.)

One sentence has grown old, and nothing here measures it: "GANs represent the state-of-the-art (as of 2021) for generating
realistic data" (CS/DS 541, class 19). In that year, diffusion models had better images of ImageNet's classes (Dhariwal and
Nichol 2021).
"""

from dataclasses import dataclass

from demos.kit import digits
from demos.kit.claim import Claim
from demos.kit.experiment import demo
from demos.the_slides import errata_digits as on_digits
from demos.the_slides import errata_formulas as formulas
from demos.the_slides import errata_games as on_the_ring


@dataclass
class Settings:
    seeds: int = 3
    # digits
    steps: int = 4000  # iterations of a game; the learning rates fall linearly to 0
    z: int = 64
    width: int = 128  # of the two hidden layers of each network
    batch: int = 100
    lr: float = 1e-3
    samples: int = 2000  # for the judge
    alone_steps: int = 500  # of D alone
    classifier_steps: int = 2000
    epsilons: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2)  # of FGSM, for pixels in [0, 1]
    attacked: int = 1000  # held-out digits, and as many fakes
    memorised: int = 16  # all digits that G is trained on
    memory_steps: int = 3000
    memory_z: int = 8
    memory_r1: float = 1.0
    strangers: int = 2000  # held-out digits, to compare the nearest of them with the nearest training digit
    # formulas
    pairs: int = 1000  # of points whose chord is compared with V half way
    bins: int = 20  # of a histogram
    # games on the line and on the ring
    line_width: int = 64
    line_batch: int = 256
    line_lr: float = 1e-3  # Adam's, of D alone
    pretraining: int = 300  # steps of D alone
    line_steps: int = 600
    every: int = 10  # iterations between two measurements
    momentum_lr: float = 2e-3  # of both players, with momentum 0.9
    ring_steps: int = 1500  # the learning rates fall linearly to 0
    ring_width: int = 64
    ring_batch: int = 64
    ring_samples: int = 2500
    ring_penalty: float = 0.1  # lambda
    ring_lr: float = 2e-3  # of G, and of a critic that keeps up


QUICK = {"seeds": 1, "steps": 100, "width": 64, "alone_steps": 100, "classifier_steps": 150, "samples": 300, "attacked": 200}
QUICK |= {"memory_steps": 200, "strangers": 200, "pairs": 200, "line_steps": 100, "pretraining": 100}
QUICK |= {"ring_steps": 60, "ring_width": 32}
VERDICT = "Not here: taken literally, most of the quoted sentences are wrong, undefined, or true only under unnamed conditions."
FINDING = (
    "FGSM (epsilon 0.1) makes at least {flipped_GANs_D|>%} of D's right answers wrong, {flipped_classifier|%} of a "
    "classifier's. With enough parameters ({weights_for_each_pixel|.1f} weights for each pixel of {memorised|.0f} digits), "
    "G is nearer to its training digits ({nearest_of_few|.1f}) than to unseen ones ({nearest_stranger_of_few|.1f}); trained "
    "on all digits, the slide's case, it is not ({nearest_of_all|.2f} and {nearest_stranger_of_all|.2f}). A WGAN finds "
    "{WGAN_modes_keeps_up|.0f} of 8 modes if its critic keeps up, {WGAN_modes_lags|.0f} if it lags."
)


@demo(Settings(), QUICK, digits.options, record={"critics": on_the_ring.CRITICS})
def main(claim: Claim, s: Settings) -> None:
    args = claim.args
    seeds = range(args.seed, args.seed + s.seeds)
    x, y, others = digits.load(args)
    games = on_digits.one_loss(claim, x, digits.judge_of(args, x, y), s, seeds)
    formulas.convexity(claim, s, args.seed)
    on_digits.robustness(claim, games, x, y, others, s, seeds)
    on_digits.memory(claim, games, x, others[0], s, seeds)
    on_the_ring.pretrained(claim, s, seeds)
    formulas.critic_steps(claim)
    formulas.optimism(claim, s, args.seed)
    on_the_ring.collapse(claim, s, seeds)
