"""The test cases: an op, the shapes and the range of its inputs, and its formula in extended precision.

A case's call uses NumPy's names (`np`), SciPy's (`special`) and those of neural networks (`nn`); `lines.ENGINES` maps them to
each engine. `others` has the calls of engines that spell it differently; an engine without such a name is not tested. The
inputs are x, y, z. The truth is the call itself if NumPy can compute it in longdouble, else it is written out; `e` is
`demos.checking.extended`.
"""

from dataclasses import dataclass, field

Shape = tuple[int, ...]

# Few shapes, and the same for all: some engines compile each op again for each shape.
ONE: tuple[tuple[Shape, ...], ...] = (((),), ((3,),))  # the shapes of x
TWO = (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (3,)))  # of x and y
VECTOR, SQUARE, RECTANGLE = (((3,),),), (((2, 2),),), (((2, 3),),)
SPECIAL = (0.0, 1.0, -1.0, 0.5, 2.0, 1e-8, 1e-3, -2.0)  # values at which formulas have gaps; equal ones make ties


@dataclass(frozen=True)
class Case:
    """A call of an op, and its inputs' shapes and range."""

    name: str
    call: str
    shapes: tuple[tuple[Shape, ...], ...] = ONE
    low: float = -3.0
    high: float = 3.0
    truth: str = ""  # "": the call
    others: dict[str, str] = field(default_factory=dict)  # by engine
    special: tuple[float, ...] = SPECIAL


def _unary() -> list[Case]:
    """np.name(x), and tinygrad's methods for it."""
    rows = [("sin", "sin"), ("cos", "cos"), ("sinh", "sinh"), ("cosh", "cosh"), ("tanh", "tanh"), ("arctan", "atan")]
    rows += [("arcsinh", "asinh"), ("exp", "exp"), ("exp2", "exp2"), ("expm1", ""), ("square", "square"), ("abs", "abs")]
    rows += [("sign", "sign"), ("negative", "neg"), ("deg2rad", ""), ("cbrt", "")]
    cases = [_numpy(name, tiny) for name, tiny in rows]
    bounded = [("tan", "tan", -1.3, 1.3), ("arcsin", "asin", -0.9, 0.9), ("arccos", "acos", -0.9, 0.9)]
    bounded += [("arctanh", "atanh", -0.9, 0.9), ("arccosh", "acosh", 1.1, 3.0), ("log", "log", 0.1, 3.0)]
    bounded += [("log2", "log2", 0.1, 3.0), ("log10", "log10", 0.1, 3.0), ("log1p", "", -0.9, 3.0), ("sqrt", "sqrt", 0.1, 3.0)]
    bounded += [("reciprocal", "reciprocal", 0.2, 3.0)]
    return cases + [_numpy(name, tiny, low, high) for name, tiny, low, high in bounded]


def _numpy(name: str, tiny: str, low: float = -3.0, high: float = 3.0) -> Case:
    return Case(name, f"np.{name}(x)", low=low, high=high, others={"tinygrad": f"x.{tiny}()"} if tiny else {})


ELEMENTWISE = [
    *_unary(),
    Case("sinc", "np.sinc(x)", truth="e.sinc(x)"),
    Case("i0", "np.i0(x)", truth="e.i0(x)", others={"autograd": "special.i0(x)"}),
    Case("rsqrt", "np.rsqrt(x)", low=0.2, truth="x ** -0.5", others={"jax": "lax.rsqrt(x)", "tinygrad": "x.rsqrt()"}),
    Case("x ** 0.", "x ** 0.", truth="np.ones_like(x)"),
    Case("x ** 1.", "x ** 1.", truth="x + 0"),
    Case("x ** 2.", "x ** 2.", truth="x * x"),
    Case("x ** 3.", "x ** 3.", truth="x * x * x"),
    Case("x ** 2", "x ** 2", truth="x * x"),
    Case("x ** 0.5", "x ** 0.5", low=0.2),
    Case("x ** -1.", "x ** -1.", low=0.2),
    Case("2. ** x", "2. ** x"),
    Case("0. ** x", "0. ** x", low=0.2, truth="0 * x"),
    Case("power", "np.power(x, y)", TWO, low=0.2, others={"torch": "np.pow(x, y)", "tinygrad": "x.pow(y)"}),
    Case("add", "x + y", TWO),
    Case("subtract", "x - y", TWO),
    Case("multiply", "x * y", TWO),
    Case("divide", "x / y", TWO, low=0.2),
    Case("2 * x", "2 * x"),
    Case("2.5 * x", "2.5 * x"),
    Case("x / 4 + 0.5", "x / 4 + 0.5"),
    Case("1 / x", "1 / x", low=0.2),
    Case("hypot", "np.hypot(x, y)", TWO),
    Case("arctan2", "np.arctan2(x, y)", TWO),
    Case("logaddexp", "np.logaddexp(x, y)", TWO, others={"tinygrad": "x.logaddexp(y)"}),
    Case("logaddexp2", "np.logaddexp2(x, y)", TWO),
    Case("maximum", "np.maximum(x, y)", TWO, others={"tinygrad": "x.maximum(y)"}),
    Case("minimum", "np.minimum(x, y)", TWO, others={"tinygrad": "x.minimum(y)"}),
    Case("fmax", "np.fmax(x, y)", TWO),
    Case("remainder", "np.remainder(x, y)", TWO, low=0.3),
    Case("clip", "np.clip(x, -1., 1.)", others={"tinygrad": "x.clip(-1., 1.)"}),
    Case("where", "np.where(x > 0, x, y)", TWO, others={"tinygrad": "(x > 0).where(x, y)"}),
    Case("copysign", "np.copysign(x, y)", TWO),
    Case("heaviside * x", "np.heaviside(x, 0.5 + 0 * x) * x"),
    Case("nan_to_num", "np.nan_to_num(x)", truth="x + 0"),
]


def _reduction(name: str, tiny: str = "", torch: str = "", low: float = -3.0, truth: str = "") -> list[Case]:
    """Over everything, and over an axis."""
    cases = []
    for args, axis in (("", ""), (", axis=0", "0")):
        others = {"tinygrad": f"x.{tiny}({axis})"} if tiny else {}
        others |= {"torch": torch.format(args)} if torch else {}
        where = " axis=0" if args else ""
        cases.append(Case(name + where, f"np.{name}(x{args})", RECTANGLE, low, others=others, truth=truth.format(args)))
    return cases


REDUCTIONS = [
    *_reduction("sum", "sum"),
    *_reduction("mean", "mean"),
    *_reduction("prod", "prod"),
    *_reduction("var", torch="np.var(x{0}, correction=0)"),
    *_reduction("std", torch="np.std(x{0}, correction=0)"),
    *_reduction("max", "max", "np.amax(x{0})"),
    *_reduction("min", "min", "np.amin(x{0})"),
    *_reduction("median"),
    *_reduction("ptp"),
    *_reduction("nansum"),
    *_reduction("nanmean"),
    Case("cumsum", "np.cumsum(x, axis=0)", RECTANGLE, others={"tinygrad": "x.cumsum(0)"}),
    Case("cumprod", "np.cumprod(x, axis=0)", RECTANGLE, others={"tinygrad": "x.cumprod(0)"}),
    Case("cumprod of a vector", "np.cumprod(x, axis=0)", VECTOR, others={"tinygrad": "x.cumprod(0)"}),
    Case("sort", "np.sort(x)", VECTOR, others={"torch": "np.sort(x)[0]", "tinygrad": "x.sort()[0]"}),
    Case("partition", "np.partition(x, 1)", VECTOR, truth="np.sort(x)"),
    Case("average", "np.average(x, axis=0)", RECTANGLE),
    Case("norm", "np.linalg.norm(x)", RECTANGLE, others={"minigan": "np.norm(x)"}),
    Case(
        "norm axis=1",
        "np.linalg.norm(x, axis=1)",
        RECTANGLE,
        others={"minigan": "np.norm(x, axis=1)", "torch": "np.linalg.norm(x, dim=1)"},
    ),
    Case("norm of a vector", "np.linalg.norm(x)", VECTOR, others={"minigan": "np.norm(x)"}),
    Case("norm 1 axis=1", "np.linalg.norm(x, 1, axis=1)", RECTANGLE, others={"torch": "np.linalg.norm(x, 1, dim=1)"}),
    Case("norm 3 axis=1", "np.linalg.norm(x, 3, axis=1)", RECTANGLE, others={"torch": "np.linalg.norm(x, 3, dim=1)"}),
    Case("norm inf axis=1", "np.linalg.norm(x, inf, axis=1)", RECTANGLE, others={"torch": "np.linalg.norm(x, inf, dim=1)"}),
    Case("norm inf of a vector", "np.linalg.norm(x, inf)", VECTOR),
    Case(
        "norm fro keepdims",
        "np.linalg.norm(x, 'fro', axis=(0, 1), keepdims=True)",
        RECTANGLE,
        others={"torch": "np.linalg.norm(x, 'fro', dim=(0, 1), keepdim=True)"},
    ),
    Case("trapezoid", "np.trapezoid(x)", VECTOR, others={"autograd": "np.trapz(x)"}),
]

SHAPING = [
    Case("tile 1", "np.tile(x, 1)", RECTANGLE, others={"torch": "np.tile(x, (1,))", "tinygrad": "x.repeat(1, 1)"}),
    Case("tile 2", "np.tile(x, 2)", RECTANGLE, others={"torch": "np.tile(x, (2,))", "tinygrad": "x.repeat(1, 2)"}),
    Case("tile (2, 1)", "np.tile(x, (2, 1))", RECTANGLE, others={"tinygrad": "x.repeat(2, 1)"}),
    Case("tile (2, 1, 2)", "np.tile(x, (2, 1, 2))", RECTANGLE, others={"tinygrad": "x.repeat(2, 1, 2)"}),
    Case("tile of a vector (2, 2)", "np.tile(x, (2, 2))", VECTOR, others={"tinygrad": "x.repeat(2, 2)"}),
    Case(
        "repeat axis=0",
        "np.repeat(x, 2, axis=0)",
        RECTANGLE,
        others={"torch": "np.repeat_interleave(x, 2, dim=0)", "tinygrad": "x.repeat_interleave(2, 0)"},
    ),
    Case(
        "repeat axis=1",
        "np.repeat(x, 2, axis=1)",
        RECTANGLE,
        others={"torch": "np.repeat_interleave(x, 2, dim=1)", "tinygrad": "x.repeat_interleave(2, 1)"},
    ),
    Case(
        "repeat",
        "np.repeat(x, 2)",
        RECTANGLE,
        others={"torch": "np.repeat_interleave(x, 2)", "tinygrad": "x.repeat_interleave(2)"},
    ),
    Case("diag of a vector", "np.diag(x)", VECTOR, others={"tinygrad": "x.diag()"}),
    Case("diag of a square", "np.diag(x)", SQUARE, others={"tinygrad": "x.diagonal()"}),
    Case("diag of a rectangle", "np.diag(x)", RECTANGLE, others={"tinygrad": "x.diagonal()"}),
    Case("diag k=1 of a vector", "np.diag(x, 1)", VECTOR),
    Case("diag k=1 of a square", "np.diag(x, 1)", SQUARE),
    Case("diagonal", "np.diagonal(x)", SQUARE, others={"tinygrad": "x.diagonal()"}),
    Case("diagonal of a rectangle", "np.diagonal(x)", RECTANGLE, others={"tinygrad": "x.diagonal()"}),
    Case("diagonal offset=1", "np.diagonal(x, 1)", RECTANGLE),
    Case("diagonal of a stack", "np.diagonal(x, 0, -1, -2)", (((2, 2, 2),),)),
    Case("trace", "np.trace(x)", SQUARE),
    Case("trace of a rectangle", "np.trace(x)", RECTANGLE),
    Case("trace offset=1", "np.trace(x, 1)", RECTANGLE),
    Case("tril", "np.tril(x)", RECTANGLE, others={"tinygrad": "x.tril()"}),
    Case("triu k=1", "np.triu(x, 1)", RECTANGLE, others={"tinygrad": "x.triu(1)"}),
    Case("roll", "np.roll(x, 1, axis=1)", RECTANGLE, others={"torch": "np.roll(x, 1, 1)", "tinygrad": "x.roll(1, 1)"}),
    Case("roll of all", "np.roll(x, 1)", RECTANGLE, others={"tinygrad": "x.roll(1)"}),
    Case("rot90", "np.rot90(x)", RECTANGLE, others={"torch": "np.rot90(x, 1, (0, 1))"}),
    Case("rot90 3 times", "np.rot90(x, 3)", RECTANGLE, others={"torch": "np.rot90(x, 3, (0, 1))"}),
    Case("flip", "np.flip(x, 0)", RECTANGLE, others={"torch": "np.flip(x, (0,))", "tinygrad": "x.flip(0)"}),
    Case("fliplr", "np.fliplr(x)", RECTANGLE, others={"tinygrad": "x.flip(1)"}),
    Case("transpose", "np.transpose(x)", RECTANGLE, others={"torch": "x.T", "tinygrad": "x.transpose()"}),
    Case(
        "transpose 3",
        "np.transpose(x, (2, 0, 1))",
        (((2, 1, 3),),),
        others={"torch": "np.permute(x, (2, 0, 1))", "tinygrad": "x.permute(2, 0, 1)"},
    ),
    Case("moveaxis", "np.moveaxis(x, 0, -1)", (((2, 1, 3),),)),
    Case("swapaxes", "np.swapaxes(x, 0, 2)", (((2, 1, 3),),), others={"tinygrad": "x.transpose(0, 2)"}),
    Case("rollaxis", "np.rollaxis(x, 2)", (((2, 1, 3),),)),
    Case("reshape", "np.reshape(x, (3, 2))", (((2, 3),),), others={"tinygrad": "x.reshape(3, 2)"}),
    Case("reshape order F", "np.reshape(x, (3, 2), order='F')", (((2, 3),),)),
    Case("ravel", "np.ravel(x)", RECTANGLE, others={"tinygrad": "x.flatten()"}),
    Case("ravel order F", "np.ravel(x, order='F')", RECTANGLE),
    Case("ravel of the transpose, order A", "np.ravel(x.T, order='A')", RECTANGLE, truth="x.ravel(order='F')"),
    Case("squeeze", "np.squeeze(x)", (((1, 3, 1),),), others={"tinygrad": "x.squeeze()"}),
    Case(
        "expand_dims", "np.expand_dims(x, 1)", RECTANGLE, others={"torch": "np.unsqueeze(x, 1)", "tinygrad": "x.unsqueeze(1)"}
    ),
    Case("atleast_2d", "np.atleast_2d(x)", VECTOR),
    Case(
        "broadcast_to",
        "np.broadcast_to(x, (2, 2, 3))",
        (((2, 3),), ((3,),), ((2, 1),), ((),)),
        others={"tinygrad": "x.expand(2, 2, 3)"},
    ),
    Case("concatenate", "np.concatenate([x, y, x])", (((2, 3), (1, 3)),), others={"tinygrad": "x.cat(y, x)"}),
    Case(
        "concatenate axis=1",
        "np.concatenate([x, y], axis=1)",
        (((2, 3), (2, 1)),),
        others={"torch": "np.concatenate([x, y], dim=1)", "tinygrad": "x.cat(y, dim=1)"},
    ),
    Case("concatenate axis=None", "np.concatenate([x, y], axis=None)", (((2, 2), (1, 3)),)),
    Case("append", "np.append(x, y)", (((2, 2), (3,)),)),
    Case("append axis=1", "np.append(x, y, axis=1)", (((2, 2), (2, 1)),)),
    Case("stack", "np.stack([x, y])", (((2, 3), (2, 3)),), others={"tinygrad": "x.stack(y)"}),
    Case(
        "stack axis=-1",
        "np.stack([x, y], axis=-1)",
        (((2, 3), (2, 3)),),
        others={"torch": "np.stack([x, y], dim=-1)", "tinygrad": "x.stack(y, dim=-1)"},
    ),
    Case("hstack", "np.hstack([x, y])", (((2,), (3,)), ((2, 1), (2, 2)))),
    Case("vstack", "np.vstack([x, y])", (((3,), (2, 3)),)),
    Case("column_stack", "np.column_stack([x, y])", (((2,), (2, 2)),)),
    Case("dstack", "np.dstack([x, y])", (((2, 2), (2, 2)),)),
    Case(
        "pad",
        "np.pad(x, ((1, 0), (0, 2)))",
        RECTANGLE,
        others={"torch": "nn.pad(x, (0, 2, 1, 0))", "tinygrad": "x.pad(((1, 0), (0, 2)))"},
    ),
    Case("pad edge", "np.pad(x, 1, mode='edge')", RECTANGLE),
    Case(
        "pad reflect",
        "np.pad(x, 1, mode='reflect')",
        (((3,),),),
        others={"torch": "nn.pad(x[None], (1, 1), mode='reflect')[0]", "tinygrad": "x[None].pad((1, 1), mode='reflect')[0]"},
    ),
    Case("diff", "np.diff(x, axis=0)", RECTANGLE, others={"torch": "np.diff(x, dim=0)"}),
    Case("diff n=2", "np.diff(x, n=2)", (((4,),), ((2, 3),))),
    Case("gradient", "np.gradient(x)", (((4,),),), others={"torch": "np.gradient(x)[0]"}),
    Case("take", "np.take(x, I, axis=0)", (((3, 2),),), others={"torch": "x[I]", "tinygrad": "x[I]"}),
    Case("x[index, :]", "x[I, :]", (((3, 2),),)),
    Case("x[::-2]", "x[::-2]", (((3, 2),),)),
    Case("x[None, ..., 0]", "x[None, ..., 0]", (((3, 2),),)),
    Case("split", "np.split(x, 2)[1]", (((4, 2),),), others={"torch": "np.split(x, 2)[1]", "tinygrad": "x.split(2)[1]"}),
    Case("array_split", "np.array_split(x, 2)[0]", (((3, 2),),)),
    Case("select", "np.select([x > 1, x > 0], [x, y], 0.)", (((2, 2), (2, 2)),)),
    Case("delete", "np.delete(x, 1)", VECTOR),
    Case("insert", "np.insert(x, 1, y)", (((3,), ()),)),
    Case("resize", "np.resize(x, (3, 2))", VECTOR),
    Case("vander", "np.vander(x)", VECTOR, truth="np.stack([x * x, x, np.ones_like(x)], axis=-1)"),
    Case("interp", "np.interp(x, P, Q)", VECTOR, truth="np.where(x < -1, -4 * x - 3, np.where(x < 2, x + 2, 5 * x - 6))"),
]

PRODUCTS = [
    Case("matmul", "np.matmul(x, y)", (((2, 3), (3, 2)), ((2, 2), (2, 1))), others={"tinygrad": "x.matmul(y)"}),
    Case("matmul of vectors", "np.matmul(x, y)", (((3,), (3,)),), others={"tinygrad": "x.matmul(y)"}),
    Case(
        "matmul of a vector and a matrix",
        "np.matmul(x, y)",
        (((2,), (2, 3)), ((2, 3), (3,))),
        others={"tinygrad": "x.matmul(y)"},
    ),
    Case(
        "matmul broadcast",
        "np.matmul(x, y)",
        (((2, 1, 2), (2, 2)), ((1, 2), (2, 2, 1)), ((2,), (2, 2, 1))),
        others={"tinygrad": "x.matmul(y)"},
    ),
    Case(
        "dot", "np.dot(x, y)", (((2, 3), (3, 2)), ((2, 3), (3,))), others={"minigan": "", "torch": "", "tinygrad": "x.dot(y)"}
    ),
    Case("dot of stacks", "np.dot(x, y)", (((2, 1, 2), (2, 2)), ((2,), (2, 2, 1)))),
    Case("dot with a scalar", "np.dot(x, y)", (((), (2, 2)), ((2, 2), ()))),
    Case("inner", "np.inner(x, y)", (((2,), (2,)), ((2, 3), (1, 3)))),
    Case("inner with a scalar", "np.inner(x, y)", (((), (2,)), ((2,), ()))),
    Case("outer", "np.outer(x, y)", (((2,), (3,)),)),
    Case("outer of matrices", "np.outer(x, y)", (((1, 2), (2, 1)), ((2, 1), (2, 2)))),
    Case("outer with a scalar", "np.outer(x, y)", (((), (2,)),)),
    Case("vdot", "np.vdot(x, y)", (((3,), (3,)),)),
    Case(
        "vecdot",
        "np.vecdot(x, y)",
        (((2, 3), (3,)),),
        truth="np.sum(x * y, axis=-1)",
        others={"torch": "np.linalg.vecdot(x, y)"},
    ),
    Case("kron", "np.kron(x, y)", (((2, 1), (1, 2)), ((2,), (2, 1)))),
    Case("cross", "np.cross(x, y)", (((3,), (3,)), ((2, 3), (2, 3))), truth="e.cross(x, y)"),
    Case("cross broadcast", "np.cross(x, y)", (((2, 3), (3,)),), truth="e.cross(x, y)"),
    Case("tensordot 1", "np.tensordot(x, y, 1)", (((2, 2), (2, 3)),)),
    Case("tensordot 2", "np.tensordot(x, y, 2)", (((1, 2, 2), (2, 2, 1)),)),
    Case("tensordot axes", "np.tensordot(x, y, ([0], [1]))", (((2, 3), (1, 2)),)),
    Case("tensordot 0", "np.tensordot(x, y, 0)", (((2,), (2,)),)),
    Case(
        "einsum ij,jk->ik",
        "np.einsum('ij,jk->ik', x, y)",
        (((2, 2), (2, 3)),),
        others={"tinygrad": "Tensor.einsum('ij,jk->ik', x, y)"},
    ),
    Case("einsum ij,j->", "np.einsum('ij,j->', x, y)", (((2, 2), (2,)),), others={"tinygrad": "Tensor.einsum('ij,j->', x, y)"}),
    Case("einsum ii->i", "np.einsum('ii->i', x)", SQUARE, others={"tinygrad": "Tensor.einsum('ii->i', x)"}),
    Case("einsum ii", "np.einsum('ii', x)", SQUARE, others={"tinygrad": "Tensor.einsum('ii', x)"}),
    Case("einsum i,i->i broadcast", "np.einsum('i,i->i', x, y)", (((1,), (3,)),)),
    Case("einsum ij->", "np.einsum('ij->', x)", RECTANGLE, others={"tinygrad": "Tensor.einsum('ij->', x)"}),
    Case("einsum ...i,i", "np.einsum('...i,i', x, y)", (((2, 3), (3,)),)),
    Case("multi_dot", "np.linalg.multi_dot([x, y, z])", (((2, 2), (2, 2), (2, 1)),), truth="x @ y @ z"),
    Case("convolve", "np.convolve(x, y)", (((3,), (2,)),)),
    Case("correlate", "np.correlate(x, y)", (((3,), (2,)),)),
    Case("polyval", "np.polyval(x, y)", (((3,), (2,)),)),
]

_DET, _INV = "x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]", "np.array([[x[1, 1], -x[0, 1]], [-x[1, 0], x[0, 0]]])"
LINALG = [
    Case("det", "np.linalg.det(x)", SQUARE, truth=_DET),
    Case("det of a stack", "np.linalg.det(x)", (((2, 2, 2),),), truth=_DET),
    Case("inv", "np.linalg.inv(x)", SQUARE, truth=f"{_INV} / ({_DET})"),
    Case("pinv", "np.linalg.pinv(x)", SQUARE, truth=f"{_INV} / ({_DET})"),
    Case("solve", "np.linalg.solve(x, y)", (((2, 2), (2,)), ((2, 2), (2, 1))), truth=f"{_INV} @ y / ({_DET})"),
    Case("slogdet", "np.linalg.slogdet(x)[1]", SQUARE, truth=f"np.log(np.abs({_DET}))"),
    Case("matrix_power 3", "np.linalg.matrix_power(x, 3)", SQUARE, truth="x @ x @ x"),
    Case("matrix_power 0", "np.linalg.matrix_power(x, 0)", SQUARE, truth="0 * x + np.eye(2)"),
    Case("matrix_power -1", "np.linalg.matrix_power(x, -1)", SQUARE, truth=f"{_INV} / ({_DET})"),
    Case("norm nuc", "np.linalg.norm(x, 'nuc')", SQUARE, truth=f"np.sqrt(np.sum(x * x) + 2 * np.abs({_DET}))"),
    Case(
        "svd values",
        "np.linalg.svd(x, compute_uv=False)",
        SQUARE,
        truth="e.singular_values(x)",
        others={"torch": "np.linalg.svdvals(x)"},
    ),
    Case("eigvalsh", "np.linalg.eigvalsh(x + x.T)", SQUARE, truth="e.eigenvalues(x + x.T)"),
]

SPECIAL_FUNCTIONS = [
    Case("erf", "special.erf(x)", truth="e.erf(x)", others={"tinygrad": "x.erf()"}),
    Case("erfc", "special.erfc(x)", truth="1 - e.erf(x)"),
    Case("expit", "special.expit(x)", truth="1 / (1 + np.exp(-x))"),
    Case("logit", "special.logit(x)", low=0.1, high=0.9, truth="np.log(x) - np.log1p(-x)"),
    Case("gammaln", "special.gammaln(x)", low=0.3, truth="e.gammaln(x)"),
    Case("gamma", "special.gamma(x)", low=0.3, truth="np.exp(e.gammaln(x))"),
    Case("digamma", "special.digamma(x)", low=0.3, truth="e.digamma(x)"),
    Case("betaln", "special.betaln(x, y)", TWO[:2], low=0.3, truth="e.betaln(x, y)"),
    Case("beta", "special.beta(x, y)", TWO[:2], low=0.3, truth="np.exp(e.betaln(x, y))"),
    Case("special.i0", "special.i0(x)", truth="e.i0(x)"),
    Case("i1", "special.i1(x)", truth="e.i1(x)"),
    Case("i0e", "special.i0e(x)", low=0.2, truth="e.i0(x) * np.exp(-x)"),
    Case("i1e", "special.i1e(x)", low=0.2, truth="e.i1(x) * np.exp(-x)"),
    Case("spence", "special.spence(x)", low=0.2, truth="e.spence(x)"),
    Case("poch 1", "special.poch(x, 1.)", truth="x + 0"),
    Case("poch 2", "special.poch(x, 2.)", truth="x * (x + 1)"),
    Case("hyp1f1", "special.hyp1f1(1., 2., x)", truth="e.hyp1f1(1, 2, x)"),
    Case("hyp1f1, all", "special.hyp1f1(x, y, z)", (((), (), ()),), low=0.0, truth="e.hyp1f1(x, y, z)"),
    Case("xlogy", "special.xlogy(x, y)", TWO, low=0.2, truth="x * np.log(y)"),
    Case("xlogy(x, 2)", "special.xlogy(x, 2. + 0 * x)", truth="x * np.log(np.longdouble(2))"),
    Case("xlog1py", "special.xlog1py(x, y)", TWO, low=-0.5, truth="x * np.log1p(y)"),
    Case("entr", "special.entr(x)", low=0.2, truth="-x * np.log(x)"),
    Case("rel_entr", "special.rel_entr(x, y)", TWO, low=0.2, truth="x * np.log(x / y)"),
    Case("ndtr", "special.ndtr(x)", truth="(1 + e.erf(x / np.sqrt(np.longdouble(2)))) / 2"),
    Case("log_ndtr", "special.log_ndtr(x)", truth="np.log((1 + e.erf(x / np.sqrt(np.longdouble(2)))) / 2)"),
    Case("zeta(2, x)", "special.zeta(2., x)", low=0.5, truth="e.trigamma(x)", others={"jax": ""}),  # slow there
    Case("polygamma 1", "special.polygamma(1, x)", low=0.5, truth="e.trigamma(x)"),
    Case("multigammaln", "special.multigammaln(x, 1)", low=0.6, truth="e.gammaln(x)"),
    Case(
        "logsumexp",
        "special.logsumexp(x, axis=-1)",
        RECTANGLE,
        truth="e.logsumexp(x)",
        others={
            "minigan": "np.logsumexp(x, axis=-1)",
            "torch": "np.logsumexp(x, -1)",
            "mygrad": "np.logsumexp(x, axis=-1)",
            "tinygrad": "x.logsumexp(-1)",
        },
    ),
]

_SIGMOID = "1 / (1 + np.exp(-x))"
NEURAL = [
    Case("relu", "nn.relu(x)", truth="np.maximum(x, 0)", others={"tinygrad": "x.relu()"}),
    Case("sigmoid", "nn.sigmoid(x)", truth=_SIGMOID, others={"tinygrad": "x.sigmoid()"}),
    Case("softplus", "nn.softplus(x)", truth="np.logaddexp(x, 0)", others={"tinygrad": "x.softplus()"}),
    Case(
        "softplus far out",
        "nn.softplus(x)",
        low=-95.0,
        high=95.0,
        truth="np.logaddexp(x, 0)",
        others={"tinygrad": "x.softplus()"},
        special=(0.0, 20.0, 89.0, -89.0),
    ),
    Case(
        "sigmoid far out",
        "nn.sigmoid(x)",
        low=-95.0,
        high=95.0,
        truth=_SIGMOID,
        others={"tinygrad": "x.sigmoid()"},
        special=(0.0, 89.0, -89.0),
    ),
    Case("silu", "nn.silu(x)", truth=f"x * ({_SIGMOID})", others={"tinygrad": "x.silu()"}),
    Case(
        "silu far out",
        "nn.silu(x)",
        low=-95.0,
        high=95.0,
        truth=f"x * ({_SIGMOID})",
        others={"tinygrad": "x.silu()"},
        special=(0.0, 89.0, -89.0),
    ),
    Case(
        "elu", "nn.elu(x)", truth="np.where(x > 0, x, np.expm1(x))", others={"tinygrad": "x.elu()", "mygrad": "nn.elu(x, 1.)"}
    ),
    Case(
        "elu far out",
        "nn.elu(x)",
        ONE[:1],
        -95.0,
        95.0,
        "np.where(x > 0, x, np.expm1(np.minimum(x, 0)))",
        {"tinygrad": "x.elu()", "mygrad": "nn.elu(x, 1.)"},
        (0.0, 20.0, 89.0, 90.0),
    ),
    Case(
        "selu",
        "nn.selu(x)",
        truth="1.0507009873554804934193349852946 * np.where(x > 0, x, 1.6732632423543772848170429916717 * np.expm1(x))",
        others={"tinygrad": "x.selu()"},
    ),
    Case(
        "selu far out",
        "nn.selu(x)",
        ONE[:1],
        0.5,
        95.0,
        "1.0507009873554804934193349852946 * x",
        {"tinygrad": "x.selu()"},
        (1.0, 89.0, 90.0),
    ),
    Case("celu far out", "nn.celu(x)", ONE[:1], 0.5, 95.0, "x + 0", {"tinygrad": "x.celu()"}, (1.0, 89.0, 90.0)),
    Case("mish", "nn.mish(x)", truth="x * np.tanh(np.logaddexp(x, 0))", others={"tinygrad": "x.mish()"}),
    Case(
        "mish far out",
        "nn.mish(x)",
        ONE[:1],
        -95.0,
        95.0,
        "x * np.tanh(np.logaddexp(x, 0))",
        {"tinygrad": "x.mish()"},
        (0.0, 20.0, 89.0, -89.0),
    ),
    Case(
        "gelu",
        "nn.gelu(x)",
        truth="x * (1 + e.erf(x / np.sqrt(np.longdouble(2)))) / 2",
        others={"jax": "nn.gelu(x, approximate=False)"},
    ),
    Case(
        "gelu tanh",
        "nn.gelu(x)",
        truth="x / 2 * (1 + np.tanh(np.sqrt(2 / e.PI) * (x + 0.044715 * x ** 3)))",
        others={"torch": "nn.gelu(x, approximate='tanh')", "tinygrad": "x.gelu()"},
    ),
    Case(
        "log_sigmoid",
        "nn.log_sigmoid(x)",
        truth="-np.logaddexp(0, -x)",
        others={"torch": "nn.logsigmoid(x)", "tinygrad": "x.logsigmoid()"},
    ),
    Case(
        "log_sigmoid far out",
        "nn.log_sigmoid(x)",
        ONE[:1],
        -95.0,
        95.0,
        "-np.logaddexp(0, -x)",
        {"torch": "nn.logsigmoid(x)", "tinygrad": "x.logsigmoid()"},
        (0.0, 89.0, -89.0),
    ),
    Case(
        "leaky_relu",
        "nn.leaky_relu(x)",
        truth="np.where(x > 0, x, x * 0.01)",
        others={"tinygrad": "x.leaky_relu()", "mygrad": "nn.leaky_relu(x, 0.01)", "minigan": "nn.leaky_relu(x, 0.01)"},
    ),
    Case(
        "softsign",
        "nn.soft_sign(x)",
        truth="x / (1 + np.abs(x))",
        others={"torch": "nn.softsign(x)", "tinygrad": "x.softsign()", "mygrad": "nn.soft_sign(x)"},
    ),
    Case(
        "hard_tanh",
        "nn.hard_tanh(x)",
        truth="np.clip(x, -1, 1)",
        others={"torch": "nn.hardtanh(x)", "tinygrad": "x.hardtanh()", "mygrad": "nn.hard_tanh(x)"},
    ),
    Case("relu6", "nn.relu6(x)", truth="np.clip(x, 0, 6)", others={"tinygrad": "x.relu6()"}),
    Case(
        "hard_swish",
        "nn.hard_swish(x)",
        truth="x * np.clip(x + 3, 0, 6) / 6",
        others={"torch": "nn.hardswish(x)", "tinygrad": "x.hardswish()"},
    ),
    Case("glu", "nn.glu(x, -1)", (((2, 2),),), truth="x[:, :1] / (1 + np.exp(-x[:, 1:]))", others={"mygrad": "nn.glu(x, -1)"}),
    Case(
        "softmax",
        "nn.softmax(x, -1)",
        RECTANGLE,
        truth="np.exp(x - e.logsumexp(x)[:, None])",
        others={"tinygrad": "x.softmax(-1)"},
    ),
    Case(
        "log_softmax",
        "nn.log_softmax(x, -1)",
        RECTANGLE,
        truth="x - e.logsumexp(x)[:, None]",
        others={"tinygrad": "x.log_softmax(-1)", "mygrad": "nn.logsoftmax(x, -1)"},
    ),
    Case(
        "standardize",
        "nn.standardize(x)",
        (((2, 3),),),
        truth="(x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)",
        others={"torch": "nn.layer_norm(x, (3,))", "tinygrad": "x.layernorm()"},
    ),
    Case(
        "normalize",
        "nn.normalize(x)",
        (((2, 3),),),
        truth="x / np.sqrt(np.sum(x * x, axis=1, keepdims=True))",
        others={"torch": "nn.normalize(x)", "tinygrad": "x.normalize()"},
    ),
    Case(
        "huber",
        "nn.huber_loss(x, y)",
        (((2,), (2,)),),
        truth="np.mean(np.where(np.abs(x - y) < 1, (x - y) ** 2 / 2, np.abs(x - y) - 0.5))",
    ),
]

CASES = [*ELEMENTWISE, *REDUCTIONS, *SHAPING, *PRODUCTS, *LINALG, *SPECIAL_FUNCTIONS, *NEURAL]
FAMILIES = {  # the names of their ops
    "elementwise": {case.name for case in ELEMENTWISE},
    "reductions": {case.name for case in REDUCTIONS},
    "shapes": {case.name for case in SHAPING},
    "products": {case.name for case in [*PRODUCTS, *LINALG]},
    "special": {case.name for case in SPECIAL_FUNCTIONS},
    "networks": {case.name for case in NEURAL},
}
