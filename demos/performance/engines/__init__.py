"""The same iterations in several engines, for comparing their speed: one file an engine, and `sizes`, what they all play.

An engine's module has `make(size, seed)`, which returns a function `step` without arguments: it plays one iteration on the
next minibatch and returns a function for each of its losses, which reads it: on a GPU, that waits. It is the worker that reads,
alike in all engines. A module also says its VERSION and on how many THREADS it computes. Each runs in a worker process of its
own, `python -m demos.performance.engines NAME` (see `__main__`, and ../workers.py), perhaps under another interpreter: so a
module here imports NumPy, its engine and `sizes`, and no other engine. Those for a GPU are the same engines with another word.
"""

PROCESSORS = 2  # that a worker may use
NAMES = ("minigan", "matmul", "torch", "jax", "mygrad", "autograd")
ON_GPU = ("minigan", "torch", "cupy", "torch_gpu")  # minigan and PyTorch on the processor, and on a GPU

_DENSE_ONLY = ("tiny", "mlp256")
ONLY = {  # the sizes of the engines that do not play all
    "mygrad": _DENSE_ONLY,
    "autograd": _DENSE_ONLY,
}


def plays(engine: str, size: str) -> bool:
    """Whether the engine has an implementation of this size."""
    return size in ONLY.get(engine, (size,))
