"""What holds for every attack: the model and the inputs stay as they were, and the same call gives the same result."""

from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigan as mg
from minigan import Tensor, attacks, losses, nn
from tests.attacks.victims import Watched, convolutional, dense, images, moody
from tests.contracts.attacks import ATTACKS, FROM_NOISE, MODELS_STAY, NO_MODEL, OF_IMAGES, arrays

every_attack = pytest.mark.parametrize("name", ATTACKS)


def assert_same(found, expected):
    for a, b in zip(arrays(found), arrays(expected), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_every_attack_has_a_row():
    assert {name.split(",")[0] for name in ATTACKS} | NO_MODEL == set(attacks.__all__)


def left_behind(model):
    """All that an attack must leave as it was."""
    gradients = [None if p.grad is None else p.grad.numpy().tolist() for p in model.parameters()]
    flags = [p.requires_grad for p in model.parameters()], [part.training for part in model.modules()]
    return gradients, flags, [value.tolist() for value in model.state_dict().values()]


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("mode", ["train", "eval", "mixed"])
@pytest.mark.parametrize("name", MODELS_STAY)
def test_the_model_is_in_eval_mode_meanwhile_and_stays_as_it_was(name, mode, failing):
    model, (x, y) = nn.Sequential(moody(), Watched()), images(8, "float32")
    losses.cross_entropy(model(Tensor(x)), y).backward()
    model[0][1].zero_grad()
    model[0][1].requires_grad_(False)
    model.train(mode != "eval")
    if mode == "mixed":
        model[0][2].eval()
    model[1].modes, model[1].fails = [], 1 if failing else None
    before = left_behind(model)
    with pytest.raises(ZeroDivisionError) if failing else nullcontext():
        ATTACKS[name](model, x, y)
    assert set(model[1].modes) == {False}
    assert left_behind(model) == before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_attack
def test_a_result_has_xs_dtype_and_x_is_only_read(name, dtype):
    x, y = images(dtype=dtype)
    before = x.copy()
    x.flags.writeable = False
    model = dense("float32" if name in FROM_NOISE else "float64")  # images have the dtype that G gives them
    for found in arrays(ATTACKS[name](model, x, y)):
        assert found.ndim == 0 or found.dtype in (x.dtype, bool)
        assert not np.shares_memory(found, x)
        assert name not in OF_IMAGES or found.shape in (x.shape, y.shape)
    np.testing.assert_array_equal(x, before)


@every_attack
def test_lists_tensors_and_any_function_are_taken_also_under_no_grad_and_twice_is_the_same(name):
    model, (x, y) = dense("float32"), images(dtype="float32")
    expected = ATTACKS[name](model, x, y)
    source = Tensor(x, requires_grad=True)
    assert_same(ATTACKS[name](lambda x: model(x), x, y), expected)
    if name not in FROM_NOISE:
        for inputs, labels in [(x.tolist(), y.tolist()), (source, Tensor(y)), (source * 1.0, y)]:
            assert_same(ATTACKS[name](model, inputs, labels), expected)
    with mg.no_grad():
        assert_same(ATTACKS[name](model, x, y), expected)
        assert not (model(source) * 1).requires_grad  # the block goes on as it was
    assert source.grad is None


@every_attack
def test_dropout_and_minigans_generator_do_not_disturb(name):
    model, (x, y), stream = moody().eval(), images(8, "float32"), mg.random_numbers.generator()
    state = mg.random_numbers.generator_state(stream)
    expected = ATTACKS[name](model, x, y)
    assert_same(ATTACKS[name](model.train() if name in MODELS_STAY else model, x, y), expected)
    assert mg.random_numbers.generator_state(stream) == state


@pytest.mark.parametrize("name", OF_IMAGES)
def test_one_image_alone_is_attacked_as_among_others(name):
    """Also where the loss is a mean, which makes every gradient smaller, the more images there are."""
    model, (x, y) = convolutional(), images()
    together = arrays(ATTACKS[name](model, x, y))
    for i in range(len(x)):
        for one, all_ in zip(arrays(ATTACKS[name](model, x[i : i + 1], y[i : i + 1])), together, strict=True):
            np.testing.assert_allclose(one[0], all_[i], rtol=1e-9)


BALLS = {"fgsm": {}, "pgd": {"steps": 3}, "far": {"step": 1.5, "steps": 3}, "random start": {"steps": 3, "rng": 0}}
CLIPS = st.sampled_from([None, (0.0, 1.0), (-1.0, 1.5)])


@pytest.mark.parametrize("options", BALLS.values(), ids=BALLS)
@given(st.integers(0, 10_000), st.one_of(st.just(0.0), st.floats(0, 2)), CLIPS, st.sampled_from(["f4", "f8"]))
def test_the_model_is_asked_only_about_x_in_the_ball_and_in_the_range(options, seed, epsilon, clip, dtype):
    model, (x, y), asked = dense(dtype), images(3, dtype, seed), []
    options = options | ({"rng": np.random.default_rng(0)} if "rng" in options else {})

    def watched(x):
        asked.append(x.numpy().copy())
        return model(x)

    for found in [(attacks.pgd if options else attacks.fgsm)(watched, x, y, epsilon, clip=clip, **options), *asked]:
        assert np.abs(found.astype("f8") - x).max() <= (epsilon and epsilon + 4 * np.finfo(dtype).eps * (1 + epsilon))
        assert clip is None or clip[0] <= found.min() <= found.max() <= clip[1]
