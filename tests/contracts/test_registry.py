"""Each registry has all that minigan exports: an op, a layer or a loss without an entry fails here."""

import inspect

import minigan as mg
from minigan import losses, nn, ops
from tests.contracts.layers import LAYERS
from tests.contracts.losses import LOSSES
from tests.contracts.ops import OF_LAYERS, OPS


def test_every_op_has_an_entry():
    assert set(OPS) == {*ops.__all__, *OF_LAYERS}


def test_an_entry_has_cases_if_gradients_flow_and_a_twin():
    assert [name for name in ops.__all__ if not OPS[name].cases and name != "one_hot"] == []
    assert [name for name in ops.__all__ if OPS[name].twin is None] == []


def test_every_op_is_a_top_level_name():
    assert [name for name in ops.__all__ if getattr(mg, name) is not getattr(ops, name)] == []


def test_every_layer_has_an_entry():
    found = {name for name, kind in vars(nn).items() if isinstance(kind, type) and issubclass(kind, nn.Module)}
    assert found - {"Module"} == {name.split(",")[0] for name in LAYERS}
    assert [name for name, entry in LAYERS.items() if entry.twin is None] == ["Dropout", "Sequential"]  # see tests/nn


def test_every_loss_has_an_entry():
    public = {name for name, f in vars(losses).items() if inspect.isfunction(f) and f.__module__ == losses.__name__}
    pairs = [pair for pair in vars(losses).values() if isinstance(pair, losses.GameLoss)]
    of_pairs = {function.__name__ for pair in pairs for function in vars(pair).values()}
    assert {name for name in public if not name.startswith("_")} | of_pairs == set(LOSSES)
    assert all(entry.twin for entry in LOSSES.values())
