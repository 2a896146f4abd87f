"""Optimizers. `rules` has their formulas alone, `optimizer` their common code, `blocks` the code that makes them fast."""

from minigan.optim.averaged import Averaged
from minigan.optim.optimizer import Optimizer
from minigan.optim.rules import OMD, SGD, Adam, OptimisticAdam, RMSProp
from minigan.optim.schedule import LinearDecay, clip_weights

__all__ = ["OMD", "SGD", "Adam", "Averaged", "LinearDecay", "OptimisticAdam", "Optimizer", "RMSProp", "clip_weights"]
