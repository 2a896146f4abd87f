"""The test cases: an op, the shapes and the range of its inputs, and its formula in extended precision.

A case's call uses NumPy's names (`np`), SciPy's (`special`) and those of neural networks (`nn`); `lines.ENGINES` maps them to
each engine. Engines that spell it differently have a call of their own; an engine without such a name is not tested. The inputs
are x, y, z. The truth is the call itself if NumPy can compute it in longdouble, else it is written out; `e` is
`demos.checking.extended`.
"""

from dataclasses import dataclass, field, replace

Shape = tuple[int, ...]

# Few shapes, and the same for all: some engines compile each op again for each shape.
ONE: tuple[tuple[Shape, ...], ...] = (((),), ((3,),))  # the shapes of x
TWO = (((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (3,)))  # of x and y
VECTOR, SQUARE, RECTANGLE, BLOCK = (((3,),),), (((2, 2),),), (((2, 3),),), (((2, 1, 3),),)
DIM = "dim"  # instead of PyTorch's call, if it differs only by that name for an axis
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


def case(name: str, call: str, shapes=ONE, low=-3.0, high=3.0, truth="", special=SPECIAL, **others: str) -> Case:
    """The case with these fields; `others`, by engine, such as torch="np.pow(x, y)", or torch=DIM."""
    if others.get("torch") == DIM:
        others["torch"] = call.replace("axis", "dim").replace("keepdims", "keepdim")
    return Case(name, call, shapes, low, high, truth, others, special)


UNARY = (  # np.name(x)
    "sin cos sinh cosh tanh arctan arcsinh exp exp2 expm1 square abs sign negative deg2rad cbrt "
    "tan arcsin arccos arctanh arccosh log log2 log10 log1p sqrt reciprocal"
)
RANGES = {"tan": (-1.3, 1.3), "arccosh": (1.1, 3.0), "log1p": (-0.9, 3.0), "sqrt": (0.1, 3.0), "reciprocal": (0.2, 3.0)}
RANGES |= dict.fromkeys(("arcsin", "arccos", "arctanh"), (-0.9, 0.9)) | dict.fromkeys(("log", "log2", "log10"), (0.1, 3.0))
TINYGRADS = {"arctan": "atan", "arcsin": "asin", "arccos": "acos", "arcsinh": "asinh", "arctanh": "atanh", "arccosh": "acosh"}
TINYGRADS |= {"negative": "neg"} | dict.fromkeys(("expm1", "deg2rad", "cbrt", "log1p"))  # None: it has no such method


def _unary(name: str) -> Case:
    tiny = TINYGRADS.get(name, name)
    return case(name, f"np.{name}(x)", ONE, *RANGES.get(name, (-3.0, 3.0)), **({"tinygrad": f"x.{tiny}()"} if tiny else {}))


POWERS = {"0.": "np.ones_like(x)", "1.": "x + 0", "2.": "x * x", "3.": "x * x * x", "2": "x * x"}
ELEMENTWISE = [
    *map(_unary, UNARY.split()),
    case("sinc", "np.sinc(x)", truth="e.sinc(x)"),
    case("i0", "np.i0(x)", truth="e.i0(x)", autograd="special.i0(x)"),
    case("rsqrt", "np.rsqrt(x)", low=0.2, truth="x ** -0.5", jax="lax.rsqrt(x)", tinygrad="x.rsqrt()"),
    *(case(f"x ** {power}", f"x ** {power}", truth=truth) for power, truth in POWERS.items()),
    *(case(call, call, low=0.2) for call in ("x ** 0.5", "x ** -1.")),
    case("2. ** x", "2. ** x"),
    case("0. ** x", "0. ** x", low=0.2, truth="0 * x"),
    case("power", "np.power(x, y)", TWO, low=0.2, torch="np.pow(x, y)", tinygrad="x.pow(y)"),
    case("add", "x + y", TWO),
    case("subtract", "x - y", TWO),
    case("multiply", "x * y", TWO),
    case("divide", "x / y", TWO, low=0.2),
    *(case(call, call) for call in ("2 * x", "2.5 * x", "x / 4 + 0.5")),
    case("1 / x", "1 / x", low=0.2),
    case("hypot", "np.hypot(x, y)", TWO),
    case("arctan2", "np.arctan2(x, y)", TWO),
    case("logaddexp", "np.logaddexp(x, y)", TWO, tinygrad="x.logaddexp(y)"),
    case("logaddexp2", "np.logaddexp2(x, y)", TWO),
    case("maximum", "np.maximum(x, y)", TWO, tinygrad="x.maximum(y)"),
    case("minimum", "np.minimum(x, y)", TWO, tinygrad="x.minimum(y)"),
    case("fmax", "np.fmax(x, y)", TWO),
    case("remainder", "np.remainder(x, y)", TWO, low=0.3),
    case("clip", "np.clip(x, -1., 1.)", tinygrad="x.clip(-1., 1.)"),
    case("where", "np.where(x > 0, x, y)", TWO, tinygrad="(x > 0).where(x, y)"),
    case("copysign", "np.copysign(x, y)", TWO),
    case("heaviside * x", "np.heaviside(x, 0.5 + 0 * x) * x"),
    case("nan_to_num", "np.nan_to_num(x)", truth="x + 0"),
]


def _reduction(name: str, tiny: str = "", torch: str = "") -> list[Case]:
    """Over everything, and over an axis."""
    cases = []
    for where, args, axis in (("", "", ""), (" axis=0", ", axis=0", "0")):
        others = {"tinygrad": f"x.{tiny}({axis})"} if tiny else {}
        others |= {"torch": torch.format(args)} if torch else {}
        cases.append(case(name + where, f"np.{name}(x{args})", RECTANGLE, **others))
    return cases


REDUCTIONS = [
    *(each for name in ("sum", "mean", "prod") for each in _reduction(name, tiny=name)),
    *(each for name in ("var", "std") for each in _reduction(name, torch=f"np.{name}(x{{0}}, correction=0)")),
    *_reduction("max", "max", "np.amax(x{0})"),
    *_reduction("min", "min", "np.amin(x{0})"),
    *(each for name in ("median", "ptp", "nansum", "nanmean") for each in _reduction(name)),
    case("cumsum", "np.cumsum(x, axis=0)", RECTANGLE, tinygrad="x.cumsum(0)"),
    case("cumprod", "np.cumprod(x, axis=0)", RECTANGLE, tinygrad="x.cumprod(0)"),
    case("cumprod of a vector", "np.cumprod(x, axis=0)", VECTOR, tinygrad="x.cumprod(0)"),
    case("sort", "np.sort(x)", VECTOR, torch="np.sort(x)[0]", tinygrad="x.sort()[0]"),
    case("partition", "np.partition(x, 1)", VECTOR, truth="np.sort(x)"),
    case("average", "np.average(x, axis=0)", RECTANGLE),
    case("norm", "np.linalg.norm(x)", RECTANGLE, minigan="np.norm(x)"),
    case("norm axis=1", "np.linalg.norm(x, axis=1)", RECTANGLE, minigan="np.norm(x, axis=1)", torch=DIM),
    case("norm of a vector", "np.linalg.norm(x)", VECTOR, minigan="np.norm(x)"),
    *(case(f"norm {p} axis=1", f"np.linalg.norm(x, {p}, axis=1)", RECTANGLE, torch=DIM) for p in ("1", "3", "inf")),
    case("norm inf of a vector", "np.linalg.norm(x, inf)", VECTOR),
    case("norm fro keepdims", "np.linalg.norm(x, 'fro', axis=(0, 1), keepdims=True)", RECTANGLE, torch=DIM),
    case("trapezoid", "np.trapezoid(x)", VECTOR, autograd="np.trapz(x)"),
]


def _repeat(axis: int) -> Case:
    others = {"torch": f"np.repeat_interleave(x, 2, dim={axis})", "tinygrad": f"x.repeat_interleave(2, {axis})"}
    return case(f"repeat axis={axis}", f"np.repeat(x, 2, axis={axis})", RECTANGLE, **others)


SHAPING = [
    case("tile 1", "np.tile(x, 1)", RECTANGLE, torch="np.tile(x, (1,))", tinygrad="x.repeat(1, 1)"),
    case("tile 2", "np.tile(x, 2)", RECTANGLE, torch="np.tile(x, (2,))", tinygrad="x.repeat(1, 2)"),
    case("tile (2, 1)", "np.tile(x, (2, 1))", RECTANGLE, tinygrad="x.repeat(2, 1)"),
    case("tile (2, 1, 2)", "np.tile(x, (2, 1, 2))", RECTANGLE, tinygrad="x.repeat(2, 1, 2)"),
    case("tile of a vector (2, 2)", "np.tile(x, (2, 2))", VECTOR, tinygrad="x.repeat(2, 2)"),
    *(_repeat(axis) for axis in (0, 1)),
    case("repeat", "np.repeat(x, 2)", RECTANGLE, torch="np.repeat_interleave(x, 2)", tinygrad="x.repeat_interleave(2)"),
    case("diag of a vector", "np.diag(x)", VECTOR, tinygrad="x.diag()"),
    case("diag of a square", "np.diag(x)", SQUARE, tinygrad="x.diagonal()"),
    case("diag of a rectangle", "np.diag(x)", RECTANGLE, tinygrad="x.diagonal()"),
    case("diag k=1 of a vector", "np.diag(x, 1)", VECTOR),
    case("diag k=1 of a square", "np.diag(x, 1)", SQUARE),
    case("diagonal", "np.diagonal(x)", SQUARE, tinygrad="x.diagonal()"),
    case("diagonal of a rectangle", "np.diagonal(x)", RECTANGLE, tinygrad="x.diagonal()"),
    case("diagonal offset=1", "np.diagonal(x, 1)", RECTANGLE),
    case("diagonal of a stack", "np.diagonal(x, 0, -1, -2)", (((2, 2, 2),),)),
    case("trace", "np.trace(x)", SQUARE),
    case("trace of a rectangle", "np.trace(x)", RECTANGLE),
    case("trace offset=1", "np.trace(x, 1)", RECTANGLE),
    case("tril", "np.tril(x)", RECTANGLE, tinygrad="x.tril()"),
    case("triu k=1", "np.triu(x, 1)", RECTANGLE, tinygrad="x.triu(1)"),
    case("roll", "np.roll(x, 1, axis=1)", RECTANGLE, torch="np.roll(x, 1, 1)", tinygrad="x.roll(1, 1)"),
    case("roll of all", "np.roll(x, 1)", RECTANGLE, tinygrad="x.roll(1)"),
    case("rot90", "np.rot90(x)", RECTANGLE, torch="np.rot90(x, 1, (0, 1))"),
    case("rot90 3 times", "np.rot90(x, 3)", RECTANGLE, torch="np.rot90(x, 3, (0, 1))"),
    case("flip", "np.flip(x, 0)", RECTANGLE, torch="np.flip(x, (0,))", tinygrad="x.flip(0)"),
    case("fliplr", "np.fliplr(x)", RECTANGLE, tinygrad="x.flip(1)"),
    case("transpose", "np.transpose(x)", RECTANGLE, torch="x.T", tinygrad="x.transpose()"),
    case("transpose 3", "np.transpose(x, (2, 0, 1))", BLOCK, torch="np.permute(x, (2, 0, 1))", tinygrad="x.permute(2, 0, 1)"),
    case("moveaxis", "np.moveaxis(x, 0, -1)", BLOCK),
    case("swapaxes", "np.swapaxes(x, 0, 2)", BLOCK, tinygrad="x.transpose(0, 2)"),
    case("rollaxis", "np.rollaxis(x, 2)", BLOCK),
    case("reshape", "np.reshape(x, (3, 2))", RECTANGLE, tinygrad="x.reshape(3, 2)"),
    case("reshape order F", "np.reshape(x, (3, 2), order='F')", RECTANGLE),
    case("ravel", "np.ravel(x)", RECTANGLE, tinygrad="x.flatten()"),
    case("ravel order F", "np.ravel(x, order='F')", RECTANGLE),
    case("ravel of the transpose, order A", "np.ravel(x.T, order='A')", RECTANGLE, truth="x.ravel(order='F')"),
    case("squeeze", "np.squeeze(x)", (((1, 3, 1),),), tinygrad="x.squeeze()"),
    case("expand_dims", "np.expand_dims(x, 1)", RECTANGLE, torch="np.unsqueeze(x, 1)", tinygrad="x.unsqueeze(1)"),
    case("atleast_2d", "np.atleast_2d(x)", VECTOR),
    case("broadcast_to", "np.broadcast_to(x, (2, 2, 3))", (((2, 3),), ((3,),), ((2, 1),), ((),)), tinygrad="x.expand(2, 2, 3)"),
    case("concatenate", "np.concatenate([x, y, x])", (((2, 3), (1, 3)),), tinygrad="x.cat(y, x)"),
    case("concatenate axis=1", "np.concatenate([x, y], axis=1)", (((2, 3), (2, 1)),), torch=DIM, tinygrad="x.cat(y, dim=1)"),
    case("concatenate axis=None", "np.concatenate([x, y], axis=None)", (((2, 2), (1, 3)),)),
    case("append", "np.append(x, y)", (((2, 2), (3,)),)),
    case("append axis=1", "np.append(x, y, axis=1)", (((2, 2), (2, 1)),)),
    case("stack", "np.stack([x, y])", (((2, 3), (2, 3)),), tinygrad="x.stack(y)"),
    case("stack axis=-1", "np.stack([x, y], axis=-1)", (((2, 3), (2, 3)),), torch=DIM, tinygrad="x.stack(y, dim=-1)"),
    case("hstack", "np.hstack([x, y])", (((2,), (3,)), ((2, 1), (2, 2)))),
    case("vstack", "np.vstack([x, y])", (((3,), (2, 3)),)),
    case("column_stack", "np.column_stack([x, y])", (((2,), (2, 2)),)),
    case("dstack", "np.dstack([x, y])", (((2, 2), (2, 2)),)),
    case("pad", "np.pad(x, ((1, 0), (0, 2)))", RECTANGLE, torch="nn.pad(x, (0, 2, 1, 0))", tinygrad="x.pad(((1, 0), (0, 2)))"),
    case("pad edge", "np.pad(x, 1, mode='edge')", RECTANGLE),
    case(
        "pad reflect",
        "np.pad(x, 1, mode='reflect')",
        (((3,),),),
        torch="nn.pad(x[None], (1, 1), mode='reflect')[0]",
        tinygrad="x[None].pad((1, 1), mode='reflect')[0]",
    ),
    case("diff", "np.diff(x, axis=0)", RECTANGLE, torch=DIM),
    case("diff n=2", "np.diff(x, n=2)", (((4,),), ((2, 3),))),
    case("gradient", "np.gradient(x)", (((4,),),), torch="np.gradient(x)[0]"),
    case("take", "np.take(x, I, axis=0)", (((3, 2),),), torch="x[I]", tinygrad="x[I]"),
    case("x[index, :]", "x[I, :]", (((3, 2),),)),
    case("x[::-2]", "x[::-2]", (((3, 2),),)),
    case("x[None, ..., 0]", "x[None, ..., 0]", (((3, 2),),)),
    case("split", "np.split(x, 2)[1]", (((4, 2),),), tinygrad="x.split(2)[1]"),
    case("array_split", "np.array_split(x, 2)[0]", (((3, 2),),)),
    case("select", "np.select([x > 1, x > 0], [x, y], 0.)", (((2, 2), (2, 2)),)),
    case("delete", "np.delete(x, 1)", VECTOR),
    case("insert", "np.insert(x, 1, y)", (((3,), ()),)),
    case("resize", "np.resize(x, (3, 2))", VECTOR),
    case("vander", "np.vander(x)", VECTOR, truth="np.stack([x * x, x, np.ones_like(x)], axis=-1)"),
    case("interp", "np.interp(x, P, Q)", VECTOR, truth="np.where(x < -1, -4 * x - 3, np.where(x < 2, x + 2, 5 * x - 6))"),
]

PRODUCTS = [
    case("matmul", "np.matmul(x, y)", (((2, 3), (3, 2)), ((2, 2), (2, 1))), tinygrad="x.matmul(y)"),
    case("matmul of vectors", "np.matmul(x, y)", (((3,), (3,)),), tinygrad="x.matmul(y)"),
    case("matmul of a vector and a matrix", "np.matmul(x, y)", (((2,), (2, 3)), ((2, 3), (3,))), tinygrad="x.matmul(y)"),
    case(
        "matmul broadcast",
        "np.matmul(x, y)",
        (((2, 1, 2), (2, 2)), ((1, 2), (2, 2, 1)), ((2,), (2, 2, 1))),
        tinygrad="x.matmul(y)",
    ),
    case("dot", "np.dot(x, y)", (((2, 3), (3, 2)), ((2, 3), (3,))), minigan="", torch="", tinygrad="x.dot(y)"),
    case("dot of stacks", "np.dot(x, y)", (((2, 1, 2), (2, 2)), ((2,), (2, 2, 1)))),
    case("dot with a scalar", "np.dot(x, y)", (((), (2, 2)), ((2, 2), ()))),
    case("inner", "np.inner(x, y)", (((2,), (2,)), ((2, 3), (1, 3)))),
    case("inner with a scalar", "np.inner(x, y)", (((), (2,)), ((2,), ()))),
    case("outer", "np.outer(x, y)", (((2,), (3,)),)),
    case("outer of matrices", "np.outer(x, y)", (((1, 2), (2, 1)), ((2, 1), (2, 2)))),
    case("outer with a scalar", "np.outer(x, y)", (((), (2,)),)),
    case("vdot", "np.vdot(x, y)", (((3,), (3,)),)),
    case("vecdot", "np.vecdot(x, y)", (((2, 3), (3,)),), truth="np.sum(x * y, axis=-1)", torch="np.linalg.vecdot(x, y)"),
    case("kron", "np.kron(x, y)", (((2, 1), (1, 2)), ((2,), (2, 1)))),
    case("cross", "np.cross(x, y)", (((3,), (3,)), ((2, 3), (2, 3))), truth="e.cross(x, y)"),
    case("cross broadcast", "np.cross(x, y)", (((2, 3), (3,)),), truth="e.cross(x, y)"),
    case("tensordot 1", "np.tensordot(x, y, 1)", (((2, 2), (2, 3)),)),
    case("tensordot 2", "np.tensordot(x, y, 2)", (((1, 2, 2), (2, 2, 1)),)),
    case("tensordot axes", "np.tensordot(x, y, ([0], [1]))", (((2, 3), (1, 2)),)),
    case("tensordot 0", "np.tensordot(x, y, 0)", (((2,), (2,)),)),
    case("einsum ij,jk->ik", "np.einsum('ij,jk->ik', x, y)", (((2, 2), (2, 3)),), tinygrad="Tensor.einsum('ij,jk->ik', x, y)"),
    case("einsum ij,j->", "np.einsum('ij,j->', x, y)", (((2, 2), (2,)),), tinygrad="Tensor.einsum('ij,j->', x, y)"),
    case("einsum ii->i", "np.einsum('ii->i', x)", SQUARE, tinygrad="Tensor.einsum('ii->i', x)"),
    case("einsum ii", "np.einsum('ii', x)", SQUARE, tinygrad="Tensor.einsum('ii', x)"),
    case("einsum i,i->i broadcast", "np.einsum('i,i->i', x, y)", (((1,), (3,)),)),
    case("einsum ij->", "np.einsum('ij->', x)", RECTANGLE, tinygrad="Tensor.einsum('ij->', x)"),
    case("einsum ...i,i", "np.einsum('...i,i', x, y)", (((2, 3), (3,)),)),
    case("multi_dot", "np.linalg.multi_dot([x, y, z])", (((2, 2), (2, 2), (2, 1)),), truth="x @ y @ z"),
    case("convolve", "np.convolve(x, y)", (((3,), (2,)),)),
    case("correlate", "np.correlate(x, y)", (((3,), (2,)),)),
    case("polyval", "np.polyval(x, y)", (((3,), (2,)),)),
]

_DET, _INV = "x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]", "np.array([[x[1, 1], -x[0, 1]], [-x[1, 0], x[0, 0]]])"
LINALG = [
    case("det", "np.linalg.det(x)", SQUARE, truth=_DET),
    case("det of a stack", "np.linalg.det(x)", (((2, 2, 2),),), truth=_DET),
    case("inv", "np.linalg.inv(x)", SQUARE, truth=f"{_INV} / ({_DET})"),
    case("pinv", "np.linalg.pinv(x)", SQUARE, truth=f"{_INV} / ({_DET})"),
    case("solve", "np.linalg.solve(x, y)", (((2, 2), (2,)), ((2, 2), (2, 1))), truth=f"{_INV} @ y / ({_DET})"),
    case("slogdet", "np.linalg.slogdet(x)[1]", SQUARE, truth=f"np.log(np.abs({_DET}))"),
    case("matrix_power 3", "np.linalg.matrix_power(x, 3)", SQUARE, truth="x @ x @ x"),
    case("matrix_power 0", "np.linalg.matrix_power(x, 0)", SQUARE, truth="0 * x + np.eye(2)"),
    case("matrix_power -1", "np.linalg.matrix_power(x, -1)", SQUARE, truth=f"{_INV} / ({_DET})"),
    case("norm nuc", "np.linalg.norm(x, 'nuc')", SQUARE, truth=f"np.sqrt(np.sum(x * x) + 2 * np.abs({_DET}))"),
    case(
        "svd values", "np.linalg.svd(x, compute_uv=False)", SQUARE, truth="e.singular_values(x)", torch="np.linalg.svdvals(x)"
    ),
    case("eigvalsh", "np.linalg.eigvalsh(x + x.T)", SQUARE, truth="e.eigenvalues(x + x.T)"),
]

SPECIAL_FUNCTIONS = [
    case("erf", "special.erf(x)", truth="e.erf(x)", tinygrad="x.erf()"),
    case("erfc", "special.erfc(x)", truth="1 - e.erf(x)"),
    case("expit", "special.expit(x)", truth="1 / (1 + np.exp(-x))"),
    case("logit", "special.logit(x)", low=0.1, high=0.9, truth="np.log(x) - np.log1p(-x)"),
    case("gammaln", "special.gammaln(x)", low=0.3, truth="e.gammaln(x)"),
    case("gamma", "special.gamma(x)", low=0.3, truth="np.exp(e.gammaln(x))"),
    case("digamma", "special.digamma(x)", low=0.3, truth="e.digamma(x)"),
    case("betaln", "special.betaln(x, y)", TWO[:2], low=0.3, truth="e.betaln(x, y)"),
    case("beta", "special.beta(x, y)", TWO[:2], low=0.3, truth="np.exp(e.betaln(x, y))"),
    case("special.i0", "special.i0(x)", truth="e.i0(x)"),
    case("i1", "special.i1(x)", truth="e.i1(x)"),
    case("i0e", "special.i0e(x)", low=0.2, truth="e.i0(x) * np.exp(-x)"),
    case("i1e", "special.i1e(x)", low=0.2, truth="e.i1(x) * np.exp(-x)"),
    case("spence", "special.spence(x)", low=0.2, truth="e.spence(x)"),
    case("poch 1", "special.poch(x, 1.)", truth="x + 0"),
    case("poch 2", "special.poch(x, 2.)", truth="x * (x + 1)"),
    case("hyp1f1", "special.hyp1f1(1., 2., x)", truth="e.hyp1f1(1, 2, x)"),
    case("hyp1f1, all", "special.hyp1f1(x, y, z)", (((), (), ()),), low=0.0, truth="e.hyp1f1(x, y, z)"),
    case("xlogy", "special.xlogy(x, y)", TWO, low=0.2, truth="x * np.log(y)"),
    case("xlogy(x, 2)", "special.xlogy(x, 2. + 0 * x)", truth="x * np.log(np.longdouble(2))"),
    case("xlog1py", "special.xlog1py(x, y)", TWO, low=-0.5, truth="x * np.log1p(y)"),
    case("entr", "special.entr(x)", low=0.2, truth="-x * np.log(x)"),
    case("rel_entr", "special.rel_entr(x, y)", TWO, low=0.2, truth="x * np.log(x / y)"),
    case("ndtr", "special.ndtr(x)", truth="(1 + e.erf(x / np.sqrt(np.longdouble(2)))) / 2"),
    case("log_ndtr", "special.log_ndtr(x)", truth="np.log((1 + e.erf(x / np.sqrt(np.longdouble(2)))) / 2)"),
    case("zeta(2, x)", "special.zeta(2., x)", low=0.5, truth="e.trigamma(x)", jax=""),  # slow there
    case("polygamma 1", "special.polygamma(1, x)", low=0.5, truth="e.trigamma(x)"),
    case("multigammaln", "special.multigammaln(x, 1)", low=0.6, truth="e.gammaln(x)"),
    case(
        "logsumexp",
        "special.logsumexp(x, axis=-1)",
        RECTANGLE,
        truth="e.logsumexp(x)",
        minigan="np.logsumexp(x, axis=-1)",
        torch="np.logsumexp(x, -1)",
        mygrad="np.logsumexp(x, axis=-1)",
        tinygrad="x.logsumexp(-1)",
    ),
]


def _activation(name: str, truth: str, shapes=ONE, **others: str) -> Case:
    """nn.name(x); tinygrad has it as a method."""
    return case(name, f"nn.{name}(x)", shapes, truth=truth, **{"tinygrad": f"x.{name}()"} | others)


def _far_out(name: str, truth: str, special: tuple[float, ...], low: float = -95.0, shapes=ONE[:1], **others: str) -> Case:
    """The same where exp(x) or exp(-x) is larger than float32 can hold."""
    return replace(_activation(name, truth, shapes, **others), name=f"{name} far out", low=low, high=95.0, special=special)


_SIGMOID, _SELU, _ALPHA = "1 / (1 + np.exp(-x))", "1.0507009873554804934193349852946", "1.6732632423543772848170429916717"
NEURAL = [
    _activation("relu", "np.maximum(x, 0)"),
    _activation("sigmoid", _SIGMOID),
    _activation("softplus", "np.logaddexp(x, 0)"),
    _far_out("softplus", "np.logaddexp(x, 0)", (0.0, 20.0, 89.0, -89.0), shapes=ONE),
    _far_out("sigmoid", _SIGMOID, (0.0, 89.0, -89.0), shapes=ONE),
    _activation("silu", f"x * ({_SIGMOID})"),
    _far_out("silu", f"x * ({_SIGMOID})", (0.0, 89.0, -89.0), shapes=ONE),
    _activation("elu", "np.where(x > 0, x, np.expm1(x))", mygrad="nn.elu(x, 1.)"),
    _far_out("elu", "np.where(x > 0, x, np.expm1(np.minimum(x, 0)))", (0.0, 20.0, 89.0, 90.0), mygrad="nn.elu(x, 1.)"),
    _activation("selu", f"{_SELU} * np.where(x > 0, x, {_ALPHA} * np.expm1(x))"),
    _far_out("selu", f"{_SELU} * x", (1.0, 89.0, 90.0), low=0.5),
    _far_out("celu", "x + 0", (1.0, 89.0, 90.0), low=0.5),
    _activation("mish", "x * np.tanh(np.logaddexp(x, 0))"),
    _far_out("mish", "x * np.tanh(np.logaddexp(x, 0))", (0.0, 20.0, 89.0, -89.0)),
    case("gelu", "nn.gelu(x)", truth="x * (1 + e.erf(x / np.sqrt(np.longdouble(2)))) / 2", jax="nn.gelu(x, approximate=False)"),
    case(
        "gelu tanh",
        "nn.gelu(x)",
        truth="x / 2 * (1 + np.tanh(np.sqrt(2 / e.PI) * (x + 0.044715 * x ** 3)))",
        torch="nn.gelu(x, approximate='tanh')",
        tinygrad="x.gelu()",
    ),
    _activation("log_sigmoid", "-np.logaddexp(0, -x)", torch="nn.logsigmoid(x)", tinygrad="x.logsigmoid()"),
    _far_out("log_sigmoid", "-np.logaddexp(0, -x)", (0.0, 89.0, -89.0), torch="nn.logsigmoid(x)", tinygrad="x.logsigmoid()"),
    _activation("leaky_relu", "np.where(x > 0, x, x * 0.01)", **dict.fromkeys(("mygrad", "minigan"), "nn.leaky_relu(x, 0.01)")),
    case("softsign", "nn.soft_sign(x)", truth="x / (1 + np.abs(x))", torch="nn.softsign(x)", tinygrad="x.softsign()"),
    _activation("hard_tanh", "np.clip(x, -1, 1)", torch="nn.hardtanh(x)", tinygrad="x.hardtanh()"),
    _activation("relu6", "np.clip(x, 0, 6)"),
    _activation("hard_swish", "x * np.clip(x + 3, 0, 6) / 6", torch="nn.hardswish(x)", tinygrad="x.hardswish()"),
    case("glu", "nn.glu(x, -1)", (((2, 2),),), truth="x[:, :1] / (1 + np.exp(-x[:, 1:]))"),
    case("softmax", "nn.softmax(x, -1)", RECTANGLE, truth="np.exp(x - e.logsumexp(x)[:, None])", tinygrad="x.softmax(-1)"),
    case(
        "log_softmax",
        "nn.log_softmax(x, -1)",
        RECTANGLE,
        truth="x - e.logsumexp(x)[:, None]",
        tinygrad="x.log_softmax(-1)",
        mygrad="nn.logsoftmax(x, -1)",
    ),
    case(
        "standardize",
        "nn.standardize(x)",
        RECTANGLE,
        truth="(x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)",
        torch="nn.layer_norm(x, (3,))",
        tinygrad="x.layernorm()",
    ),
    _activation("normalize", "x / np.sqrt(np.sum(x * x, axis=1, keepdims=True))", RECTANGLE),
    case(
        "huber",
        "nn.huber_loss(x, y)",
        (((2,), (2,)),),
        truth="np.mean(np.where(np.abs(x - y) < 1, (x - y) ** 2 / 2, np.abs(x - y) - 0.5))",
    ),
]

_BY_FAMILY = {"elementwise": ELEMENTWISE, "reductions": REDUCTIONS, "shapes": SHAPING, "products": [*PRODUCTS, *LINALG]}
_BY_FAMILY |= {"special": SPECIAL_FUNCTIONS, "networks": NEURAL}
CASES = [case for cases in _BY_FAMILY.values() for case in cases]
FAMILIES = {family: {case.name for case in cases} for family, cases in _BY_FAMILY.items()}  # the names of their ops
