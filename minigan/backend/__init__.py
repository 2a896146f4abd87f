"""Where arrays live and what computes on them: NumPy, or CuPy on a GPU.

`arrays` chooses and adapts the array module, and its names are this package's names. `random_numbers` draws, `threads` and
`memory` save time. Only CuPy needs the rest: a generator on the device, and im2col as one kernel.
"""

from minigan.backend.arrays import (
    Array,
    BackendError,
    asarray,
    at_hand,
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
    pieces_pay,
    synchronize,
    to_numpy,
    use,
    using,
    windows,
    writable,
    xp,
)

__all__ = [
    "Array",
    "BackendError",
    "asarray",
    "at_hand",
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
    "pieces_pay",
    "synchronize",
    "to_numpy",
    "use",
    "using",
    "windows",
    "writable",
    "xp",
]
