"""Convolution and its transpose: against six loops, each the other's adjoint, and differentiable again and again."""

import itertools
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan.backend import threads
from minigan.ops import convolution
from minigan.ops.convolution import Windows, _input_grad_by_adding, _input_grad_by_blocks
from minigan.testing import assert_gradients
from tests.helpers.leaves import dtypes_of_new_tensors

RNG = np.random.default_rng(0)
LAYOUTS = {
    "C order": lambda a: a,
    "Fortran order": np.asfortranarray,
    "channels last": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "reversed": lambda a: np.ascontiguousarray(a[:, :, ::-1, ::-1])[:, :, ::-1, ::-1],
    "strided": lambda a: np.repeat(a, 2, axis=3)[..., ::2],
}


def counts(size, kernel, stride, padding, dilation):
    """How many windows fit along each axis."""
    each = zip(size, kernel, stride, padding, dilation, strict=True)
    return tuple(len(range(0, n + 2 * p - d * (k - 1), s)) for n, k, s, p, d in each)


def products(x_shape, w_shape, stride, padding, dilation):
    """The places in x, weight and y of every product that a convolution forms."""
    (N, C, H, W), (O, _, KH, KW) = x_shape, w_shape
    OH, OW = counts((H, W), (KH, KW), stride, padding, dilation)
    for n, o, p, q, c, i, j in itertools.product(*map(range, (N, O, OH, OW, C, KH, KW))):
        h, w = p * stride[0] + i * dilation[0] - padding[0], q * stride[1] + j * dilation[1] - padding[1]
        if 0 <= h < H and 0 <= w < W:
            yield (n, c, h, w), (o, c, i, j), (n, o, p, q)


def conv_by_loops(x, weight, *options):
    y = np.zeros((len(x), len(weight), *counts(x.shape[2:], weight.shape[2:], *options)))
    for X, W, Y in products(x.shape, weight.shape, *options):
        y[Y] += x[X] * weight[W]
    return y


def conv_gradients_by_loops(x, weight, g, *options):
    dx, dw = np.zeros(x.shape), np.zeros(weight.shape)
    for X, W, Y in products(x.shape, weight.shape, *options):
        dx[X] += g[Y] * weight[W]
        dw[W] += g[Y] * x[X]
    return dx, dw


def paint_by_loops(x, weight, stride, padding, extra):
    """The transposed convolution: every pixel adds its kernel to a large canvas, of which the padding is cut off."""
    (N, C, H, W), (_, O, KH, KW) = x.shape, weight.shape
    (sh, sw), (ph, pw), (eh, ew) = stride, padding, extra
    canvas = np.zeros((N, O, (H - 1) * sh + KH + eh, (W - 1) * sw + KW + ew))
    for n, c, h, w in itertools.product(*map(range, (N, C, H, W))):
        canvas[n, :, h * sh : h * sh + KH, w * sw : w * sw + KW] += x[n, c, h, w] * weight[c]
    return canvas[:, :, ph : canvas.shape[2] - ph, pw : canvas.shape[3] - pw]


def both(draw, low, high):
    return draw(st.tuples(st.integers(low, high), st.integers(low, high)))


@st.composite
def problems(draw):
    """x (N, C, H, W), weight (O, C, KH, KW), (stride, padding, dilation): the kernel fits at least once."""
    kernel, stride, padding, dilation = both(draw, 1, 3), both(draw, 1, 3), both(draw, 0, 2), both(draw, 1, 3)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    size = [n + draw(st.integers(0, 4)) for n in least]
    N, C, O = draw(st.sampled_from([2, 1, 0])), draw(st.sampled_from([1, 2, 5])), draw(st.sampled_from([1, 3, 5]))  # few, many
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    x, weight = rng.standard_normal((N, C, *size)), rng.standard_normal((O, C, *kernel))
    x, weight = (LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](a) for a in (x, weight))
    return x, weight, (stride, padding, dilation)


def assert_close(y, expected):
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12, atol=1e-12)


def images(*shape):
    return RNG.standard_normal(shape)


# --- values and first derivatives ---------------------------------------------------------------------------------------


@given(problems())
def test_conv2d_and_its_gradients_are_those_of_the_loops(problem):
    x, weight, options = problem
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(weight, requires_grad=True)]
    y = mg.conv2d(*leaves, None, *options)
    assert_close(y, conv_by_loops(x, weight, *options))
    g = np.random.default_rng(1).standard_normal(y.shape)
    for got, expected in zip(mg.grad(y, leaves, gradient=g), conv_gradients_by_loops(x, weight, g, *options), strict=True):
        assert_close(got, expected)


@given(problems(), st.data())
def test_conv_transpose2d_and_its_gradients_are_those_of_the_loops(problem, data):
    x, weight, (stride, padding, _) = problem
    weight = weight.swapaxes(0, 1)  # (C, O, KH, KW)
    extra = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    expected = paint_by_loops(x, weight, stride, padding, extra)
    if 0 in expected.shape[2:]:
        with pytest.raises(ValueError, match=r"conv_transpose2d: x .* leaves an output of size"):
            mg.conv_transpose2d(x, weight, None, stride, padding, extra)
        return
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(weight, requires_grad=True)]
    y = mg.conv_transpose2d(*leaves, None, stride, padding, extra)
    assert_close(y, expected)
    g = np.random.default_rng(1).standard_normal(y.shape)
    dx, dw = mg.grad(y, leaves, gradient=g)
    assert_close(dx, conv_by_loops(g, weight, stride, padding, (1, 1)))
    assert_close(dw, conv_gradients_by_loops(g, weight, x, stride, padding, (1, 1))[1])


@given(problems())
def test_conv2d_and_conv_transpose2d_are_adjoint(problem):
    x, weight, (stride, padding, _) = problem
    if any(n + 2 * p < k for n, p, k in zip(x.shape[2:], padding, weight.shape[2:], strict=True)):
        return
    y = mg.conv2d(x, weight, None, stride, padding)
    left_over = tuple((n + 2 * p - k) % s for n, p, k, s in zip(x.shape[2:], padding, weight.shape[2:], stride, strict=True))
    z = np.random.default_rng(2).standard_normal(y.shape)
    back = mg.conv_transpose2d(z, weight, None, stride, padding, left_over)
    assert back.shape == x.shape
    assert np.vdot(y.numpy(), z) == pytest.approx(np.vdot(x, back.numpy()), abs=1e-10)


@given(problems())
def test_spreading_by_blocks_is_spreading_by_adding(problem):
    x, weight, (stride, padding, _) = problem
    kernel = weight.shape[2:]
    padding = tuple(min(p, k - 1) for p, k in zip(padding, kernel, strict=True))
    windows = Windows(kernel, stride, padding, (1, 1))
    if min(windows.counts(x.shape[2:])) < 1:
        return
    g = np.random.default_rng(1).standard_normal((len(x), len(weight), *windows.counts(x.shape[2:])))
    assert_close(
        mg.Tensor(_input_grad_by_blocks(g, weight, windows, x.shape[2:])),
        _input_grad_by_adding(g, weight, windows, x.shape[2:]),
    )


def test_sizes_that_the_stride_does_not_divide_are_floored():
    sizes = [mg.conv2d(np.ones((1, 1, n, 9)), np.ones((1, 1, 3, 2)), stride=(2, 3)).shape[2:] for n in (5, 6, 7)]
    assert sizes == [(2, 3), (2, 3), (3, 3)]


def test_a_1x1_kernel_mixes_channels():
    x, weight = images(2, 3, 4, 5), images(2, 3, 1, 1)
    assert_close(mg.conv2d(x, weight), np.einsum("nchw,oc->nohw", x, weight[:, :, 0, 0]))


def test_a_kernel_as_large_as_the_image_is_a_dense_layer():
    x, weight = images(2, 3, 4, 5), images(6, 3, 4, 5)
    assert_close(mg.conv2d(x, weight), (x.reshape(2, -1) @ weight.reshape(6, -1).T)[:, :, None, None])


def test_an_even_kernel_averages_two_neighbours():
    assert_close(
        mg.conv2d(np.arange(5.0).reshape(1, 1, 1, 5), np.full((1, 1, 1, 2), 0.5)), np.array([[[[0.5, 1.5, 2.5, 3.5]]]])
    )


def test_kernel_4_stride_2_padding_1_halves_and_doubles():
    x, weight = images(2, 3, 8, 6), images(3, 3, 4, 4)
    y = mg.conv2d(x, weight, stride=2, padding=1)
    assert y.shape == (2, 3, 4, 3)
    assert mg.conv_transpose2d(y, weight, stride=2, padding=1).shape == x.shape


def test_one_integer_means_height_and_width():
    x, weight = images(1, 2, 9, 8), images(2, 2, 2, 3)
    assert_close(mg.conv2d(x, weight, None, 2, 1, 2), mg.conv2d(x, weight, None, (2, 2), [1, 1], (2, np.int64(2))).numpy())
    assert_close(
        mg.conv_transpose2d(x, weight, None, 2, 1, 1), mg.conv_transpose2d(x, weight, None, (2, 2), (1, 1), (1, 1)).numpy()
    )


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_bias_is_added_to_each_output_channel(op):
    x, weight, bias = images(2, 3, 4, 5), images(3, 3, 2, 2), images(3)
    assert_close(op(x, weight, bias), op(x, weight).numpy() + bias[:, None, None])


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_order_changes_no_value(op, layout):
    x, weight = images(2, 3, 4, 5), images(3, 3, 2, 3)
    assert_close(op(LAYOUTS[layout](x), LAYOUTS[layout](weight)), op(x, weight).numpy())


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_read_only_broadcast_images_pass(op):
    x, weight = np.broadcast_to(images(1, 1, 4, 5), (2, 3, 4, 5)), images(3, 3, 2, 3)
    assert_close(op(x, weight), op(x.copy(), weight).numpy())


# --- higher derivatives and dtypes --------------------------------------------------------------------------------------

CONVOLUTIONS = {
    "plain": ((2, 2, 3, 4), (2, 2, 2, 3), {}),
    "stride that leaves over": ((1, 1, 6, 4), (2, 1, 3, 2), {"stride": (2, 3)}),
    "padding": ((1, 2, 2, 3), (1, 2, 3, 2), {"padding": (1, 2)}),
    "dilation": ((1, 1, 4, 5), (1, 1, 2, 2), {"dilation": (3, 2)}),
    "all": ((1, 1, 5, 4), (2, 1, 2, 3), {"stride": (2, 1), "padding": (0, 1), "dilation": (2, 1)}),
    "1x1": ((1, 2, 2, 3), (2, 2, 1, 1), {"stride": 2}),
    "many channels": ((1, 5, 5, 4), (2, 5, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    "no images": ((0, 1, 3, 4), (2, 1, 2, 2), {}),
}
TRANSPOSES = {
    "plain": ((1, 2, 2, 3), (2, 2, 3, 2), {}),
    "stride": ((1, 1, 2, 3), (1, 2, 2, 3), {"stride": (3, 2)}),
    "output padding": ((2, 1, 2, 2), (1, 1, 2, 3), {"stride": (2, 3), "padding": (0, 1), "output_padding": (1, 2)}),
    "many channels": ((1, 2, 2, 3), (2, 5, 3, 2), {"stride": 2, "padding": 1, "output_padding": (1, 0)}),
    "no images": ((0, 1, 3, 4), (1, 2, 2, 2), {}),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_conv2d_is_differentiable_twice_in_x_weight_and_bias(name):
    x, weight, options = CONVOLUTIONS[name]
    assert_gradients(lambda x, w, b: mg.conv2d(x, w, b, **options), images(*x), images(*weight), images(weight[0]))


@pytest.mark.parametrize("name", TRANSPOSES)
def test_conv_transpose2d_is_differentiable_twice_in_x_weight_and_bias(name):
    x, weight, options = TRANSPOSES[name]
    assert_gradients(lambda x, w, b: mg.conv_transpose2d(x, w, b, **options), images(*x), images(*weight), images(weight[1]))


def test_a_gradient_penalty_through_two_convolutions_has_a_gradient():
    def penalty(v, w):
        x = mg.Tensor(X, requires_grad=True)
        y = mg.conv2d(mg.tanh(mg.conv2d(x, v, stride=2, padding=1)), w)
        return mg.square(mg.grad(y.sum(), x, create_graph=True)[0]).sum()

    X = images(1, 1, 4, 3)
    assert mg.gradcheck(penalty, images(2, 1, 3, 3), images(1, 2, 2, 1), order=1)


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_the_third_derivative_is_right(op):
    assert mg.gradcheck(lambda x, w: op(x, w, stride=2) ** 2, images(1, 1, 2, 2), images(1, 1, 2, 1), order=3)


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_no_float64_array_arises_from_float32(op, monkeypatch):
    made = []
    x, weight, bias = (mg.Tensor(images(*s).astype("float32"), True) for s in ((1, 2, 5, 5), (2, 2, 2, 2), (2,)))

    def watched_maker(make):
        def made_by(*args, **options):
            made.append((array := make(*args, **options)).dtype)
            return array

        return made_by

    for name in ("zeros", "empty"):
        monkeypatch.setattr(np, name, watched_maker(getattr(np, name)))
    with dtypes_of_new_tensors() as seen:
        y = op(x, weight, bias, stride=2, padding=1)
        first = mg.grad((y * y).sum(), [x, weight, bias], create_graph=True)
        mg.grad((first[0] * first[0]).sum(), [x, weight])
    assert set(made) == set(seen) == {np.dtype("float32")}


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_integers_become_float32(op):
    assert op(np.ones((1, 1, 3, 3), int), np.ones((1, 1, 2, 2), int), np.ones(1, int)).dtype == np.float32


# --- part by part, and in several threads -------------------------------------------------------------------------------


@contextmanager
def in_parts(count, part_bytes=1):
    """Parts of `part_bytes` or one image, in `count` threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "COUNT", count)
        patch.setattr(convolution, "CHUNK", part_bytes)
        yield


def of_images(problem, n):
    """The problem with n images."""
    x, weight, options = problem
    return np.random.default_rng(n).standard_normal((n, *x.shape[1:])), weight, options


@pytest.mark.parametrize("count", [1, 2, 3])
@given(problems(), st.integers(0, 5), st.sampled_from([1, 500, 2000]))
def test_in_parts_conv2d_and_its_gradients_are_those_of_the_loops(count, problem, n, part_bytes):
    x, weight, options = of_images(problem, n)
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(weight, requires_grad=True)]
    expected = conv_by_loops(x, weight, *options)
    g = np.random.default_rng(1).standard_normal(expected.shape)
    with in_parts(count, part_bytes):
        y = mg.conv2d(*leaves, None, *options)
        dx, dw = mg.grad(y, leaves, gradient=g)
    assert_close(y, expected)
    for got, wanted in zip((dx, dw), conv_gradients_by_loops(x, weight, g, *options), strict=True):
        assert_close(got, wanted)


@pytest.mark.parametrize("count", [1, 2, 3])
@given(problems(), st.integers(0, 5), st.sampled_from([1, 500, 2000]))
def test_in_parts_conv_transpose2d_is_that_of_the_loops(count, problem, n, part_bytes):
    x, weight, (stride, padding, _) = of_images(problem, n)
    weight = weight.swapaxes(0, 1)
    expected = paint_by_loops(x, weight, stride, padding, (0, 0))
    if 0 in expected.shape[2:]:
        return
    with in_parts(count, part_bytes):
        assert_close(mg.conv_transpose2d(x, weight, None, stride, padding), expected)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_in_parts_both_ways_to_spread_are_one(count, n):
    g, weight, windows = images(n, 3, 4, 3), images(3, 5, 3, 4), Windows((3, 4), (2, 1), (1, 2), (1, 1))
    expected = _input_grad_by_adding(g, weight, windows, (7, 3))
    with in_parts(count):
        assert_close(mg.Tensor(_input_grad_by_adding(g, weight, windows, (7, 3))), expected)
        assert_close(mg.Tensor(_input_grad_by_blocks(g, weight, windows, (7, 3))), expected)


@pytest.mark.parametrize(
    ("count", "part_bytes", "parts"), [(1, 1, 6), (1, 1 << 20, 1), (1, 2 * 32, 3), (2, 1, 6), (3, 2 * 32, 3)]
)
def test_a_part_has_as_many_images_as_its_bytes_allow(count, part_bytes, parts):
    seen = []
    with in_parts(count, part_bytes):
        convolution._chunk_by_chunk(seen.append, np.zeros((6, 1, 2, 2)), 4)  # four numbers, 32 bytes, for each image
    assert sorted(i for part in seen for i in range(6)[part]) == list(range(6))
    assert len(seen) == parts


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_results_of_the_parts_are_added(count):
    with in_parts(count):
        total = convolution._chunk_by_chunk(lambda part: np.arange(7.0)[part].sum(keepdims=True), np.zeros((7, 1)), 1)
    assert total.item() == 21


def test_two_threads_work_side_by_side():
    together, passed = threading.Barrier(2), []  # which nobody passes alone
    with in_parts(2):
        convolution._chunk_by_chunk(lambda part: passed.append(together.wait(10)), np.zeros((2, 1)), 1)
    assert sorted(passed) == [0, 1]


class OnDevice(list):
    """What the backend takes for an array of CuPy."""

    __module__ = "cupy"


def test_what_lies_on_a_device_stays_whole():
    seen = []
    with in_parts(3):
        convolution._chunk_by_chunk(seen.append, OnDevice([1, 2, 3, 4]), 1)
    assert seen == [slice(0, 4)]


# --- the bias inside the op ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtypes", list(itertools.product(["float16", "float32", "float64"], repeat=3)), ids="-".join)
@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_of_image_weight_and_bias_the_widest_dtype_wins_and_gradients_keep_their_own(op, dtypes):
    shapes = (1, 2, 3, 3), (2, 2, 2, 2), (2,)
    leaves = [mg.Tensor(images(*s).astype(d), requires_grad=True) for s, d in zip(shapes, dtypes, strict=True)]
    y = op(*leaves)
    assert y.dtype == max(map(np.dtype, dtypes))
    expected = op(*leaves[:2]).numpy() + leaves[2].numpy()[:, None, None]
    np.testing.assert_array_equal(y.numpy(), expected)
    assert [g.dtype for g in mg.grad(y.sum(), leaves)] == [*dtypes]


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_the_slopes_in_x_weight_and_bias_are_exact(op):
    assert mg.gradcheck(op, images(2, 2, 3, 3), images(2, 2, 2, 2), images(2), order=1, rtol=1e-9)


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_a_bias_leaves_the_weight_and_the_image_as_they_were(op):
    x, weight, bias = images(1, 5, 3, 3), images(5, 5, 1, 1), images(5)
    kept = [a.copy() for a in (x, weight, bias)]
    op(x, weight, bias)
    for array, before in zip((x, weight, bias), kept, strict=True):
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_a_frozen_weight_leaves_the_gradients_of_image_and_bias(op):
    x, weight, bias = (mg.Tensor(images(*s), requires_grad=True) for s in ((2, 3, 4, 4), (3, 3, 2, 2), (3,)))
    expected = mg.grad(op(x, weight, bias).sum(), [x, bias])
    weight.requires_grad = False
    op(x, weight, bias).sum().backward()
    assert weight.grad is None
    for leaf, g in zip((x, bias), expected, strict=True):
        np.testing.assert_array_equal(leaf.grad.numpy(), g.numpy())


# --- errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "options"), [((2, 5), {}), ((5, 1), {}), ((1, 3), {"padding": (0, 9)}), ((4, 4), {"dilation": 2}), ((0, 3), {})]
)
def test_conv2d_refuses_a_kernel_larger_than_the_padded_image(size, options):
    with pytest.raises(ValueError, match=r"conv2d: a window of \(\d, \d\) does not fit on x \(1, 1, \d, \d\) with padding"):
        mg.conv2d(np.ones((1, 1, *size)), np.ones((1, 1, 3, 3)), **options)


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        ((1, 3, 4, 4), (2, 4, 2, 2)),
        ((3, 4, 4), (3, 3, 2, 2)),
        ((1, 3, 4, 4), (3, 2, 2)),
        ((1, 3, 4, 4), (3, 3)),
        ((), (3, 3, 2, 2)),
        ((1, 3, 4, 4), (0, 0, 2, 2)),
        ((1, 3, 4, 4), (3, 3, 0, 2)),
    ],
)
@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_shapes_that_do_not_fit_are_named(op, x, weight):
    with pytest.raises(ValueError, match=rf"{op.__name__}: x .* and weight .* do not fit; expected") as caught:
        op(np.ones(x), np.ones(weight))
    assert f"x {x} and weight {weight}" in str(caught.value)


def test_the_axis_of_the_weight_that_meets_the_channels_is_each_ops_own():
    x, weight = np.ones((1, 3, 4, 4)), np.ones((2, 3, 2, 2))
    with pytest.raises(ValueError, match=r"conv_transpose2d: .*\(C, O, KH, KW\)"):
        mg.conv_transpose2d(x, weight)
    with pytest.raises(ValueError, match=r"conv2d: .*\(O, C, KH, KW\)"):
        mg.conv2d(x, weight.swapaxes(0, 1))


WRONG = [-1, 1.0, True, np.True_, "1", None, (1, 1, 1), (1,), (1, -1), (1, 1.5), (True, 1), ("a", 1), np.array([1, 2])]


@pytest.mark.parametrize("value", [*WRONG, 0, (1, 0)], ids=repr)
@pytest.mark.parametrize(("op", "what"), [(mg.conv2d, "stride"), (mg.conv2d, "dilation"), (mg.conv_transpose2d, "stride")])
def test_stride_and_dilation_are_integers_of_at_least_1(op, what, value):
    with pytest.raises(ValueError, match=rf"{op.__name__}: {what} is .*; expected one integer, or two, of at least 1"):
        op(np.ones((1, 1, 5, 5)), np.ones((1, 1, 2, 2)), **{what: value})


@pytest.mark.parametrize("value", WRONG, ids=repr)
@pytest.mark.parametrize(
    ("op", "what"),
    [(mg.conv2d, "padding"), (mg.conv_transpose2d, "padding"), (mg.conv_transpose2d, "output_padding")],
)
def test_paddings_are_integers_of_at_least_0(op, what, value):
    with pytest.raises(ValueError, match=rf"{op.__name__}: {what} is .*; expected one integer, or two, of at least 0"):
        op(np.ones((1, 1, 5, 5)), np.ones((1, 1, 2, 2)), stride=3, **{what: value})


@pytest.mark.parametrize("extra", [2, (0, 2), (3, 0)])
def test_output_padding_is_smaller_than_the_stride(extra):
    with pytest.raises(ValueError, match=r"conv_transpose2d: output_padding .* must be smaller than stride \(2, 2\)"):
        mg.conv_transpose2d(np.ones((1, 1, 5, 5)), np.ones((1, 1, 2, 2)), stride=2, output_padding=extra)


@pytest.mark.parametrize("shape", [(), (1,), (2,), (3, 1, 1), (1, 3)])
@pytest.mark.parametrize("op", [mg.conv2d, mg.conv_transpose2d])
def test_bias_of_another_shape_is_refused(op, shape):
    with pytest.raises(ValueError, match=rf"{op.__name__}: bias .* does not fit the output's 3 channels; expected \(3,\)"):
        op(np.ones((1, 3, 4, 4)), np.ones((3, 3, 2, 2)), np.ones(shape))
