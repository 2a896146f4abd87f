"""minigan: adversarial networks from first principles, on NumPy or CuPy. Read `engine.tensor`, then `ops`, then `games.gan`."""

import sys

from minigan import attacks, backend, data, games, losses, metrics, nn, ops, optim, other_names
from minigan.backend import cupy_generator, memory, random_numbers, threads
from minigan.backend.random_numbers import seed
from minigan.engine import tensor
from minigan.engine.modes import enable_grad, no_grad
from minigan.engine.tensor import Tensor, grad, record
from minigan.gradcheck import GradcheckError, gradcheck, gradcheck_report
from minigan.ops import *  # noqa: F403
from minigan.saving.files import load, save
from minigan.watching.debug import debug
from minigan.watching.profile import profile
from minigan.watching.trace.recorder import Trace, trace

__version__ = "0.1.0"
__all__ = ["GradcheckError", "Tensor", "Trace", "attacks", "backend", "data", "debug", "enable_grad", "games", "grad"]
__all__ += ["gradcheck", "gradcheck_report", "load", "losses", "metrics", "nn", "no_grad", "optim", "profile", "record"]
__all__ += ["save", "seed", "threads", "trace"]
__all__ += ops.__all__

# shorter names, also for `import`: minigan.tensor is minigan.engine.tensor (and pickles of version 0.1 look there)
sys.modules.update({f"minigan.{m.__name__.rpartition('.')[2]}": m for m in (tensor, memory, random_numbers, threads)})
sys.modules["minigan.device_generator"] = cupy_generator

other_names.explain(sys.modules[__name__], attacks, backend, data, games, losses, metrics, nn, optim)
