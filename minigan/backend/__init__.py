"""The backend: the module that stores arrays and computes on them, NumPy or CuPy (on a GPU).

`arrays` chooses and adapts this module; its names are this package's names. `random_numbers` has the generators. `threads` and
`memory` save time. CuPy alone uses `cupy_generator`, which draws on the GPU, and `cupy_im2col`, which is one kernel.
"""

from minigan.backend.arrays import (
    Array,
    ArrayModule,
    BackendError,
    asarray,
    chunking_pays,
    concatenate,
    constant,
    copy_to_numpy,
    fused,
    is_array,
    move,
    name,
    noise_name,
    of,
    on_device,
    overlaps,
    owner,
    readable_without_sync,
    synchronize,
    to_numpy,
    use,
    using,
    writable,
    xp,
)

__all__ = [
    "Array",
    "ArrayModule",
    "BackendError",
    "asarray",
    "chunking_pays",
    "concatenate",
    "constant",
    "copy_to_numpy",
    "fused",
    "is_array",
    "move",
    "name",
    "noise_name",
    "of",
    "on_device",
    "overlaps",
    "owner",
    "readable_without_sync",
    "synchronize",
    "to_numpy",
    "use",
    "using",
    "writable",
    "xp",
]
