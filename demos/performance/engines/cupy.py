"""The sizes in minigan on a GPU: the code of `minigan`, with another backend."""

from demos.performance.engines import minigan
from minigan import backend

try:
    backend.use("cupy")
except backend.BackendError as error:
    raise ImportError(str(error)) from error

VERSION = f"{minigan.VERSION}, CuPy {backend.xp().__version__}"
THREADS = 1
make = minigan.make
