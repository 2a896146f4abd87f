"""The same iterations in several engines, to compare their speed: a file for each engine, and `sizes`, the tasks of all.

An engine's module has `make(size, seed)`, which returns a function `step` without arguments. A step plays one iteration on the
next minibatch and returns, for each loss, a function that reads it; on a GPU, reading waits. The worker reads, in the same way
for all engines. A module also has its VERSION and its number of THREADS. Each engine runs in a worker process of its own,
`python -m demos.performance.engines NAME` (see `__main__` and ../workers.py), perhaps under another interpreter. So a module
here imports only NumPy, its engine and `sizes`. The modules for a GPU reuse the processor's with another device.
"""

PROCESSORS = 2  # for each worker
NAMES = ("minigan", "matmul", "torch", "jax", "mygrad", "autograd")
ON_GPU = ("minigan", "torch", "cupy", "torch_gpu")  # minigan and PyTorch on the processor, and on a GPU


def plays(engine: str, size: str) -> bool:
    """Whether the engine has an implementation of this size."""
    return size in ("tiny", "mlp256") or engine not in ("mygrad", "autograd")
