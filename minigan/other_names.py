"""Names of PyTorch and NumPy that minigan does not have: the error says what minigan calls it."""

from types import ModuleType
from typing import Any, NoReturn

from minigan.engine.tensor import Tensor

# where it is looked for (t: a Tensor), its names, and what to use
TABLE = """
minigan: array as_tensor from_numpy zeros ones eye arange randn rand -> mg.Tensor(array), of a NumPy array
minigan: cat concat hstack vstack dstack column_stack -> mg.concatenate
minigan: mm bmm dot -> mg.matmul(a, b), or a @ b
minigan: clamp -> mg.clip
minigan: sub -> mg.subtract
minigan: mul -> mg.multiply
minigan: div -> mg.divide
minigan: pow -> mg.power
minigan: ravel -> mg.reshape(a, -1)
minigan: swapaxes -> mg.moveaxis
minigan: inner outer tensordot vdot -> mg.einsum
minigan: any all -> t.numpy().any() or t.numpy().all()
minigan: unsqueeze -> mg.expand_dims
minigan: permute -> mg.transpose
minigan: autograd -> mg.grad, t.backward() or mg.record
minigan: manual_seed -> mg.seed
minigan: inference_mode set_grad_enabled -> mg.no_grad or mg.enable_grad
minigan: cuda -> backend.use('cupy')
minigan.nn: Linear -> nn.Dense(in_features, out_features)
minigan.nn: BCELoss -> losses.log_loss(p, y)
minigan.nn: BCEWithLogitsLoss -> losses.log_loss_with_logits(v, y)
minigan.nn: CrossEntropyLoss NLLLoss -> losses.cross_entropy(logits, labels)
minigan.nn: MSELoss -> losses.mse(a, b)
minigan.nn: L1Loss -> losses.l1(a, b)
minigan.nn: Parameter -> mg.Tensor(array, requires_grad=True)
minigan.nn: ModuleList ModuleDict -> a list or a dict of modules as an attribute
minigan.nn: InstanceNorm2d -> nn.GroupNorm(c, c)
minigan.nn: Unflatten -> nn.Reshape(*shape)
minigan.nn: Identity -> nn.Sequential()
minigan.nn: functional -> mg.relu, ..., and losses.mse, ...
minigan.nn: utils -> nn.SpectralNorm(layer), optim.clip_gradient_norm(params, limit)
minigan.losses: bce binary_cross_entropy BCELoss -> losses.log_loss(p, y)
minigan.losses: binary_cross_entropy_with_logits BCEWithLogitsLoss -> losses.log_loss_with_logits(v, y)
minigan.losses: lsgan least_squares -> losses.least_squares_game
minigan.losses: hinge -> losses.hinge_game
minigan.optim: RMSprop -> optim.RMSProp
minigan.optim: AdamW -> optim.Adam(params, weight_decay=...)
minigan.optim: lr_scheduler -> optim.LinearDecay or optim.Cosine
minigan.optim: clip_grad_norm_ -> optim.clip_gradient_norm(params, limit)
t: view -> t.reshape(...)
t: flatten -> t.reshape(-1), or t.reshape(len(t), -1) for a row a sample
t: permute swapaxes -> t.transpose(...)
t: unsqueeze -> t.expand_dims(axis)
t: clamp -> t.clip(low, high)
t: mm matmul dot -> a @ b
t: pow -> t ** p
t: dim -> t.ndim
t: numel -> t.size
t: float -> t.astype('float32')
t: double -> t.astype('float64')
t: long int -> t.astype('int64')
t: cpu -> t.to('numpy')
t: cuda -> t.to('cupy')
t: requires_grad_ -> t.requires_grad = True
t: grad_fn -> t.op and t.inputs
t: argmax argmin any all -> t.numpy().argmax(axis), ...
t: tolist -> t.numpy().tolist()
"""
OURS: dict[str, dict[str, str]] = {}
for _line in TABLE.strip().splitlines():
    _names, _ours = _line.split(" -> ")
    _where, _names = _names.split(": ")
    OURS.setdefault(_where, {}).update(dict.fromkeys(_names.split(), _ours))


class Elsewhere:
    """An attribute that Tensor does not have. (With a `__getattr__`, each attribute of a Tensor would take longer to read.)"""

    def __init__(self, name: str, ours: str):
        self.name, self.ours = name, ours

    def __repr__(self) -> str:
        return f"not there: use {self.ours}"

    def __get__(self, tensor: Any, owner: type) -> NoReturn:
        raise AttributeError(f"Tensor has no {self.name}: use {self.ours}")


def explain(*modules: ModuleType) -> None:
    """Make the errors of these modules, and of Tensor, name what minigan has, and `dir` of a module show its public names."""
    for module in modules:
        vars(module).update(__getattr__=_refusal(module), __dir__=lambda module=module: [*module.__all__])
    for name, ours in OURS["t"].items():
        setattr(Tensor, name, Elsewhere(name, ours))
    setattr(Tensor, "__dir__", lambda t: [name for name in object.__dir__(t) if name not in OURS["t"]])  # noqa: B010


def _refusal(module: ModuleType) -> Any:
    """A module's `__getattr__`, which Python calls for a name that the module does not have."""

    def __getattr__(name: str) -> NoReturn:  # noqa: N807
        if ours := OURS.get(module.__name__, {}).get(name):
            raise AttributeError(f"{module.__name__} has no {name}: use {ours}")
        raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}", name=name, obj=module)

    return __getattr__
