"""What holds for all that draws data: seeds and generators decide, streams are independent, and a saved position is exact."""

import numpy as np
import pytest

import minigan as mg
from minigan import data
from tests.contracts.data import OTHERS, SHAPES, SOURCES, STREAMS

every_source = pytest.mark.parametrize("name", SOURCES)
every_stream = pytest.mark.parametrize(("make", "draw"), STREAMS.values(), ids=STREAMS)


def test_all_that_draws_has_a_row():
    assert {name.split(",")[0] for name in [*SOURCES, *STREAMS]} | OTHERS == set(data.__all__)


@every_source
@pytest.mark.parametrize("n", [0, 5])
def test_samples_have_their_shape_and_dtype(name, n):
    found = SOURCES[name](n, None)
    assert found.shape == (n, *SHAPES[name])
    assert found.dtype == ("int64" if name.endswith("labels") else "float32")


@every_source
def test_the_generator_decides_the_samples_and_else_minigans_seed(name):
    draw, state = SOURCES[name], mg.random_numbers.generators_state()
    a, b, c = (draw(20, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert mg.random_numbers.generators_state() == state
    first = [draw(20, None) for _ in range(2)]
    mg.seed(0)
    np.testing.assert_array_equal([draw(20, None) for _ in range(2)], first)
    assert not np.array_equal(*first)


@pytest.mark.parametrize("draw", [data.glyphs, data.scenes])
def test_all_ten_classes_are_equally_likely_and_all_images_differ(draw):
    images, labels = draw(2500, np.random.default_rng(0))
    np.testing.assert_allclose(np.bincount(labels, minlength=10), 250, atol=80)  # five standard deviations
    assert len(np.unique(images.reshape(2500, -1), axis=0)) == 2500


@every_stream
def test_a_streams_generator_decides_and_else_minigans_seed_whoever_else_draws(make, draw):
    a, b, c = (draw(make(np.random.default_rng(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    found = []
    for others in (0, 7):
        mg.seed(5)
        first, second = make(None), make(None)
        data.ring(others)
        found.append([*[draw(first) for _ in range(6)], draw(second)])
    np.testing.assert_array_equal(*found)
    assert len({part.tobytes() for part in found[0]}) == 7


@every_stream
@pytest.mark.parametrize("taken", [0, 2, 3, 7])  # an epoch has 3 minibatches: its start, inside it, and its end
def test_a_restored_stream_continues_bit_exactly_and_its_state_stays_as_it_was(make, draw, taken):
    stream, other = make(np.random.default_rng(1)), make(np.random.default_rng(2))
    for _ in range(taken):
        draw(stream)
    state = stream.state_dict()
    before = dict(state)
    expected = [draw(stream) for _ in range(8)]
    assert state == before
    assert all(isinstance(key, str) and isinstance(value, int | str) for key, value in state.items())
    draw(other)
    other.load_state_dict(state)
    np.testing.assert_array_equal([draw(other) for _ in range(8)], expected)
