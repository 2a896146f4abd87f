"""Arrays of two backends: what may meet, what moves by itself, what is said of them, and memory that is shared."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, nn, optim
from tests.device.comparing import assert_agree, everything_is_on, on_both

A = np.ones((3, 2), np.float32)
BIG = np.array([2**63 + 5, 7], np.uint64)


@pytest.mark.parametrize("op", [mg.add, mg.matmul, mg.maximum, lambda a, b: mg.concatenate([a, b]), lambda a, b: a * b])
def test_tensors_of_two_backends_are_refused_at_once_by_name(op, device):
    a = Tensor(np.ones((2, 2), np.float32))
    with pytest.raises(TypeError, match="argument 1 on numpy, argument 2 on cupy; move one with"):
        op(a, a.to("cupy"))


@pytest.mark.parametrize("op", [mg.relu, mg.leaky_relu, mg.dropout, mg.tanh, lambda x: nn.BatchNorm1d(2)(x)])
def test_a_gradient_from_elsewhere_is_refused(op, device):
    with backend.using("cupy"):
        x = Tensor(A, requires_grad=True)
        y = op(x)
    for backward in (lambda: y.backward(Tensor(A)), lambda: mg.grad(y, x, gradient=Tensor(A))):
        with pytest.raises(TypeError, match="on different backends: gradient on numpy, output on cupy; move one with"):
            backward()


@pytest.mark.parametrize("where", ["cupy", "numpy"])
def test_moving_passes_gradients_back_as_they_are(where, device):
    with backend.using("cupy" if where == "numpy" else "numpy"):
        a = Tensor(np.arange(3.0), requires_grad=True)
    (g,) = mg.grad(a.to(where) * 2, a, gradient=a.to(where).detach() + 2.0)
    np.testing.assert_array_equal(g.numpy(), [4.0, 6.0, 8.0])
    assert type(g.data) is type(a.data)


def test_numbers_lists_and_numpys_arrays_are_moved_to_the_current_backend_and_copied_once(stand_in):
    with backend.using("cupy"):
        for data in (1.5, [1.0, 2.0], np.ones(2), np.arange(3), [True, False]):
            t = Tensor(data)
            assert everything_is_on(stand_in, t)
            assert t.dtype == mg.Tensor(backend.to_numpy(t.data)).dtype
        x = Tensor(np.ones(2, np.float32))
        assert everything_is_on(stand_in, x + 1.0, x * np.ones(2, np.float32), 2 - x, mg.where([True, False], x, 0.0))
        net = nn.Dense(2, 3)
        stand_in.transfers.clear()
        net(Tensor(A)).sum().backward()
        assert stand_in.transfers == {"to_device": 1}


def test_a_result_stays_where_its_inputs_are_whichever_backend_is_current(device):
    x = Tensor(A, requires_grad=True)
    with backend.using("cupy"):
        for y in (x.sum(), x.max(), x.mean() * 2, mg.grad(x.sum(), x)[0]):
            assert isinstance(y.data, np.ndarray)


def test_constants_are_made_once_and_keep_their_sign(device):
    with backend.using("cupy"):
        x = backend.asarray(A)
        assert backend.constant(1.25, np.float32, x) is backend.constant(1.25, np.float32, x)
        for value in (0.0, -0.0):
            assert np.signbit(backend.to_numpy(backend.constant(value, np.float32, x))) == np.signbit(value)


def test_integers_are_as_wide_there_as_under_numpy(device):
    def compute():
        padded = [mg.pad(np.ones(2, np.uint8), 1, value) for value in (0, -1, 300, 0.5, np.nan)]
        return padded, [mg.sum(BIG), mg.cumsum(BIG), Tensor(BIG) + 1, Tensor(BIG) > 0, mg.maximum(BIG, 9), mg.stack([BIG, BIG])]

    assert_agree(*on_both(compute), 0)


@pytest.mark.parametrize("labels", [np.array([2, 0, 1]), [2, 0, 1]])
def test_lookups_by_label(labels, device):
    def compute():
        weight = Tensor(np.arange(12.0).reshape(4, 3), requires_grad=True)
        loss = mg.losses.cross_entropy(weight[labels], labels)
        return mg.one_hot(labels, 4), loss, mg.grad(loss, weight)[0], nn.Embedding(4, 2)(labels)

    assert_agree(*on_both(compute))


def test_a_step_is_noticed_by_what_was_made_of_the_parameters_memory_there(device):
    with backend.using("cupy"):
        values = backend.asarray(A.copy())
        w, v = Tensor(values, requires_grad=True), Tensor(A, requires_grad=True)
        rows = backend.xp().broadcast_to(w.data[0], (3, 2))
        stale = [(v * a).sum() for a in (w.data, values, Tensor(w.data.T).T, rows, w.detach())]
        on_the_host = (v * Tensor(w.numpy())).sum()  # a copy
        w.grad = Tensor(values.copy())
        optim.SGD([w], 0.1).step()
        for loss in stale:
            with pytest.raises(RuntimeError, match="changed in place"):
                loss.backward()
        on_the_host.backward()
        np.testing.assert_array_equal(v.grad.numpy(), 1)


def test_text_and_picture_are_those_of_numpy(device):
    def shown():
        x = Tensor(np.arange(600.0).reshape(20, 30), requires_grad=True, name="x")
        tensors = [x, x * 2, x.sum(), x[0], Tensor([]), Tensor([True, False]), (x[:16, :16] * 1.0).reshape(1, 1, 16, 16)]
        return [(repr(t), t._repr_html_()) for t in tensors]

    here, there = on_both(shown)
    assert here == there
