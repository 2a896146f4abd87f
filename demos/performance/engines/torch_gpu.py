"""The sizes in PyTorch on a GPU: the code of `torch`, with another device."""

import torch

from demos.performance.engines import torch as engine

if not torch.cuda.is_available():
    raise ImportError("PyTorch finds no GPU")
engine.DEVICE = "cuda"

VERSION = engine.VERSION
THREADS = 1
make = engine.make
