"""minigan: adversarial networks from first principles, on NumPy or CuPy. Read `tensor`, then `ops`, then `games.gan`."""

from minigan import attacks, backend, data, games, losses, memory, metrics, nn, optim
from minigan.debug_mode import debug
from minigan.gradcheck import GradcheckError, gradcheck, gradcheck_report
from minigan.modes import enable_grad, no_grad
from minigan.ops import *  # noqa: F403
from minigan.profiler import profile
from minigan.random_numbers import seed
from minigan.tensor import Tensor, grad, record
from minigan.tracing.recorder import Trace, trace

__version__ = "0.1.0"
