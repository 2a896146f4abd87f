"""Optimizers. `rules` has their formulas alone, `optimizer` their common code, `blocks` the code that makes them fast.

`schedule` changes their rates, `lookahead` takes the parameters part of the way back, `clipping` clips weights and gradients,
`averaged` trains on several ranks.
"""

from minigan.optim.averaged import Averaged
from minigan.optim.clipping import clip_gradient_norm, clip_weights
from minigan.optim.lookahead import Lookahead
from minigan.optim.optimizer import Optimizer
from minigan.optim.rules import OMD, SGD, Adam, Extragradient, OptimisticAdam, RMSProp
from minigan.optim.schedule import Cosine, LinearDecay

__all__ = [
    "OMD", "SGD", "Adam", "Averaged", "Cosine", "Extragradient", "LinearDecay", "Lookahead", "OptimisticAdam", "Optimizer",
    "RMSProp", "clip_gradient_norm", "clip_weights",
]  # fmt: skip
