"""A tensor on the device shows itself as one on the CPU, and its text fetches no more than is shown."""

import numpy as np

from minigan import Tensor, backend
from tests.device.comparing import on_both


def test_text_and_picture_are_those_of_numpy(device):
    here, there = on_both(lambda: [(repr(t), t._repr_html_()) for t in tensors()])
    assert here == there


def tensors():
    x = Tensor(np.arange(600.0).reshape(20, 30), requires_grad=True, name="x")
    return [x, x * 2, x.sum(), x[0], Tensor([]), Tensor([True, False]), (x[:16, :16] * 1.0).reshape(1, 1, 16, 16)]


def test_the_text_fetches_the_rows_that_it_shows(stand_in, monkeypatch):
    fetched, get = [], stand_in.ndarray.get
    monkeypatch.setattr(stand_in.ndarray, "get", lambda array: fetched.append(array.shape) or get(array))
    with backend.using("cupy"):
        repr(Tensor(np.ones((1000, 5))))
    assert fetched == [(5,)] * 3
