"""Which array module computes: NumPy, or CuPy on a GPU. What differs between the two lives here, and nowhere else.

`arrays` chooses the module, makes arrays and moves them; `random_numbers` draws on the CPU or, by `device_generator`, on the
GPU.
"""

from minigan.backend.arrays import (
    Array,
    BackendError,
    add_at,
    asarray,
    concatenate,
    constant,
    copy_to_numpy,
    is_array,
    memory,
    move,
    name,
    numbers,
    of,
    on_device,
    synchronize,
    to_numpy,
    use,
    using,
    writable,
    xp,
)
from minigan.backend.device_generator import DeviceGenerator
from minigan.backend.random_numbers import (
    Generator,
    checked_generator_state,
    generator,
    generator_state,
    noise_generator,
    seed,
    set_generator_state,
    spawn,
    spawn_noise,
)

__all__ = [
    "Array",
    "BackendError",
    "DeviceGenerator",
    "Generator",
    "add_at",
    "asarray",
    "checked_generator_state",
    "concatenate",
    "constant",
    "copy_to_numpy",
    "generator",
    "generator_state",
    "is_array",
    "memory",
    "move",
    "name",
    "noise_generator",
    "numbers",
    "of",
    "on_device",
    "seed",
    "set_generator_state",
    "spawn",
    "spawn_noise",
    "synchronize",
    "to_numpy",
    "use",
    "using",
    "writable",
    "xp",
]
