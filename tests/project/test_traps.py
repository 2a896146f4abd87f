"""Traps that engines of this kind have fallen into, and the test that keeps minigan out of each.

`TRAPS` names, for each trap, the tests that guard against it, or says why it cannot occur (yet). The tests in this file are
those that have no better place.
"""

import re
import weakref
from pathlib import Path

import numpy as np
import pytest

import minigan as mg
from minigan.engine.modes import mode
from minigan.engine.tensor import Tensor
from tests.contracts.ops import CASES

TESTS = Path(__file__).parents[1]
T, GAN = "tests/engine/test_tensor.py::", "tests/games/test_gan.py::"
OPS, CONTRACTS = "tests/ops/test_", "tests/contracts/test_"
RULES = "tests/optim/test_rules.py::"

TRAPS: dict[int, tuple[str, list[str]]] = {
    1: ("the same parent twice", [T + "test_the_same_input_twice_gets_both_gradients"]),
    2: (
        "a reused intermediate, branches of unequal depth",
        [T + "test_reused_intermediate_counts_every_path", T + "test_branches_of_unequal_depth_meet"],
    ),
    3: (
        "time exponential in the paths",
        [
            T + "test_the_work_grows_as_the_graph_does_and_not_as_its_paths",
            T + "test_each_tensor_is_visited_once_however_many_paths_lead_to_it",
        ],
    ),
    4: (
        "recursion on a long chain",
        [
            "tests/project/test_traps.py::test_chain_of_30_000_ops_can_be_deleted_unwalked",
            T + "test_long_chain_of_ops",
            "tests/engine/test_array_protocol.py::test_a_history_is_not_copied_and_a_copy_without_it_is_refused",
        ],
    ),
    5: (
        "time quadratic in parallel branches",
        [T + "test_the_work_grows_as_the_graph_does_and_not_as_its_paths"],
    ),
    6: ("backward twice over one graph", [T + "test_backward_twice_adds_the_same_gradient_again"]),
    7: ("two losses that share a subgraph", [T + "test_two_losses_that_share_a_subgraph_add_up_in_either_order"]),
    8: (
        "a root or seed that cannot start a walk",
        [
            CONTRACTS + "refusals.py::test_it_is_refused_and_the_error_says_why",
        ],
    ),
    9: ("one output of several dropped", [T + "test_outputs_of_one_op_may_be_dropped"]),
    10: (
        "inputs that nothing depends on",
        [
            T + "test_grad_gives_zeros_for_what_the_output_does_not_depend_on",
        ],
    ),
    11: (
        "no_grad and exceptions, nesting, generators, threads",
        [
            "tests/engine/test_modes.py::test_exception_inside_no_grad_switches_recording_on_again",
            "tests/engine/test_modes.py::test_exception_inside_a_derivative_switches_recording_on_again",
            "tests/engine/test_modes.py::test_blocks_nest_and_each_ends_with_its_own",
            CONTRACTS + "refusals.py::test_it_is_refused_and_the_error_says_why",
            "tests/engine/test_modes.py::test_no_grad_and_watchers_hold_for_their_own_thread_only",
        ],
    ),
    12: (
        "a detach that leaks, a D step that reaches G",
        [
            T + "test_detach_shares_memory_and_stops_the_gradient",
            "tests/project/test_traps.py::test_detached_factor_counts_as_a_constant",
            CONTRACTS + "games.py::test_a_step_changes_its_own_networks_and_touches_no_other_gradient",
        ],
    ),
    13: ("gradients that share memory", [T + "test_no_gradient_of_a_random_graph_shares_memory_with_anything"]),
    14: (
        "derivatives that write into what they get",
        [
            "tests/project/test_traps.py::test_no_op_writes_into_its_inputs_or_the_arriving_gradient",
            "tests/gradcheck/test_planted_mistakes.py::test_mistake_is_caught_and_named",
        ],
    ),
    15: (
        "parameters changed between forward and backward",
        [
            "tests/engine/test_versions.py::test_change_between_forward_and_backward_is_an_error_also_through_views",
            CONTRACTS + "rules.py::test_a_step_between_forward_and_backward_makes_the_backward_pass_an_error",
            "tests/optim/test_schedule.py::test_clipping_between_forward_and_backward_makes_the_backward_pass_an_error",
        ],
    ),
    16: (
        "shared, strided and read-only arrays of the user's",
        [
            "tests/engine/test_array_protocol.py::test_array_is_shared_whatever_its_strides",
            "tests/project/test_traps.py::test_read_only_array_can_be_differentiated",
        ],
    ),
    17: (
        "reference circles",
        [
            T + "test_no_reference_circles_keep_tensors_alive",
            T + "test_activation_dies_with_the_last_name_for_its_output",
            T + "test_gradient_keeps_no_graph_alive",
            GAN + "test_many_steps_leave_nothing_behind_without_the_garbage_collector",
        ],
    ),
    18: (
        "memory that grows with the steps",
        [
            GAN + "test_memory_is_steady",
            CONTRACTS + "games.py::test_the_metrics_keep_no_graph_alive_and_steps_leave_no_circles",
        ],
    ),
    19: (
        "gradients of another shape than their input",
        [
            "tests/project/test_traps.py::test_every_gradient_has_its_inputs_shape_and_dtype",
            CONTRACTS + "gradients.py::test_gradient_and_its_gradient_are_right",
            CONTRACTS + "gradients.py::test_gradients_are_right_at_drawn_arguments",
        ],
    ),
    20: ("results that are NumPy scalars", [T + "test_users_op_may_return_a_scalar_of_any_kind"]),
    21: (
        "axis 0, () and negative axes",
        [CONTRACTS + "values.py::test_a_value_is_its_twins", OPS + "operands.py::test_integers_and_masks_have_their_dtype"],
    ),
    22: ("negative axes of shape ops", [CONTRACTS + "values.py::test_a_value_is_its_twins"]),
    23: (
        "repeated, negative, boolean and mixed indices",
        [
            OPS + "shaping.py::test_getitem_is_numpys_and_counts_repeats",
            CONTRACTS + "values.py::test_a_value_is_its_twins",
            OPS + "kinks.py::test_gradient",
        ],
    ),
    24: (
        "strides, dilation and shapes of convolutions",
        [
            OPS + "convolution.py::test_conv2d_and_its_gradients_are_those_of_the_loops",
            OPS + "convolution.py::test_conv2d_and_conv_transpose2d_are_adjoint",
            OPS + "convolution.py::test_sizes_that_the_stride_does_not_divide_are_floored",
            OPS + "convolution.py::test_a_convolution_is_differentiable_twice_in_x_weight_and_bias",
        ],
    ),
    25: (
        "ties",
        [
            OPS + "kinks.py::test_gradient",
            OPS + "kinks.py::test_a_tie_of_two_tensors_gives_half_to_each_and_has_second_derivative_0",
            OPS + "pooling.py::test_values_and_gradients_are_those_of_the_loops_with_ties_shared_equally",
        ],
    ),
    26: (
        "kinks and edges of domains",
        [OPS + "kinks.py::test_gradient", CONTRACTS + "gradients.py::test_gradients_are_right_at_special_points"],
    ),
    27: ("products with zeros", [OPS + "kinks.py::test_prod_with_any_number_of_zeros"]),
    28: (
        "nan in the branch of where not taken",
        [
            "tests/project/test_traps.py::test_choosing_the_argument_first_is_the_remedy_for_nan_behind_where",
            OPS + "elementwise.py::test_nan_or_inf_in_the_branch_not_taken_reaches_neither_value_nor_gradient",
            OPS + "elementwise.py::test_choosing_the_argument_first_keeps_nan_out_of_the_gradient",
        ],
    ),
    29: (
        "overflow far from 0",
        [
            OPS + "stability.py::test_far_from_0_values_and_gradients_are_finite_and_right",
            OPS + "stability.py::test_softmax_is_stable_in_each_row_by_itself",
            "tests/test_losses.py::test_the_fused_log_loss_is_exact_at_any_logit",
        ],
    ),
    30: ("clamped losses without a gradient", ["tests/test_losses.py::test_no_gradient_of_a_loss_vanishes"]),
    31: (
        "float32 that turns into float64",
        [
            CONTRACTS + "dtypes.py::test_narrow_floats_come_out_as_they_went_in",
            OPS + "operands.py::test_float_dtype_survives_numbers_integers_and_masks",
            CONTRACTS + "rules.py::test_parameters_and_state_keep_the_dtype",
            CONTRACTS + "games.py::test_a_float32_game_has_no_float64_array_in_a_step_on_float64_data_and_noise",
        ],
    ),
    32: (
        "integers where floats are needed",
        [
            CONTRACTS + "refusals.py::test_it_is_refused_and_the_error_says_why",
            OPS + "operands.py::test_integers_and_masks_have_their_dtype",
        ],
    ),
    33: (
        "NumPy on the left",
        [
            "tests/engine/test_array_protocol.py::test_operators_keep_the_graph_with_numpy_or_python_on_the_left",
            CONTRACTS + "refusals.py::test_it_is_refused_and_the_error_says_why",
        ],
    ),
    34: (
        "Python's protocols",
        [
            "tests/engine/test_array_protocol.py::test_one_element_is_a_number_and_hash_is_by_identity_but_in_by_value",
            "tests/engine/test_array_protocol.py::test_iteration_stops_and_rows_are_differentiable",
            CONTRACTS + "refusals.py::test_it_is_refused_and_the_error_says_why",
        ],
    ),
    35: ("arguments on two backends", ["tests/project/test_traps.py::test_arguments_on_two_backends_are_refused_by_position"]),
    36: (
        "Adam's first step, missing gradients, state",
        [
            RULES + "test_adams_first_step_is_lr_in_the_gradients_direction_whatever_its_size",
            CONTRACTS + "rules.py::test_a_parameter_without_a_gradient_waits_unchanged_and_then_steps_like_a_fresh_one",
            CONTRACTS + "rules.py::test_a_parameter_that_is_listed_twice_is_stepped_once",
            CONTRACTS + "rules.py::test_a_loaded_optimizer_goes_on_bit_for_bit_and_both_are_copies",
        ],
    ),
    37: (
        "optimistic Adam's previous direction",
        [
            RULES + "test_four_steps_of_optimistic_adam_are_those_computed_by_hand_with_fractions",
            RULES + "test_the_steps_by_hand_are_not_those_of",
            RULES + "test_optimistic_adams_first_step_is_exactly_twice_adams_and_on_a_constant_gradient_later_ones_are_adams",
            RULES + "test_in_the_bilinear_game_adam_circles_and_optimistic_adam_arrives",
            CONTRACTS + "rules.py::test_gradients_are_not_written_to_and_their_memory_may_be_used_again",
        ],
    ),
    38: (
        "a critic clipped too early, too late, too much or not at all",
        [
            "tests/games/test_wgan.py::test_after_each_critic_step_the_weights_are_clipped_before_anything_looks_at_them",
            "tests/games/test_wgan.py::test_g_is_not_clipped",
            "tests/games/test_wgan.py::test_running_statistics_are_no_weights_and_not_clipped",
            "tests/optim/test_schedule.py::test_clip_weights_takes_every_element_into_minus_c_to_c_and_leaves_those_inside",
            "tests/optim/test_schedule.py::test_clipping_between_forward_and_backward_makes_the_backward_pass_an_error",
            "tests/optim/test_schedule.py::test_clip_weights_bounds_infinity_and_keeps_nan_where_it_is",
        ],
    ),
    39: (
        "seeds, hash order, streams that interfere",
        [
            "tests/backend/test_random_numbers.py::test_seed_0_is_a_seed_like_any_other",
            "tests/nn/test_layers.py::test_initial_values_do_not_depend_on_the_hash_seed",
            CONTRACTS + "games.py::test_looking_at_samples_does_not_change_the_course_of_the_game",
        ],
    ),
    40: (
        "layers that differ between training and evaluation",
        [
            "tests/nn/test_normalisation.py::test_one_value_a_channel_is_refused_in_training_and_fine_in_eval",
            "tests/nn/test_normalisation.py::test_state_dict_holds_the_running_statistics_and_loading_restores_them",
            "tests/nn/test_layers.py::test_dropout_in_eval_or_with_probability_0_changes_nothing",
            "tests/games/test_game.py::test_modes_are_restored_after_an_exception",
        ],
    ),
    41: (
        "a gradient check that accepts what is wrong",
        [
            "tests/gradcheck/test_check.py::test_a_mistake_is_rejected_and_named",
            "tests/gradcheck/test_planted_mistakes.py::test_mistake_is_caught_and_named",
        ],
    ),
    42: ("differences taken in float32", [CONTRACTS + "refusals.py::test_it_is_refused_and_the_error_says_why"]),
    43: (
        "tests that never draw the odd shapes",
        [
            "tests/gradcheck/test_testing.py::test_arrays_of_every_kind_are_drawn",
            "tests/gradcheck/test_testing.py::test_broadcastable_groups_of_every_kind_are_drawn",
            "tests/stress/test_programs.py::test_random_programs_are_right",
        ],
    ),
    44: (
        "tests that hide or disturb one another",
        [
            "tests/project/test_traps.py::test_no_test_name_stands_twice_in_a_file",
            "tests/project/test_traps.py::test_every_test_starts_recording_and_not_watched",
        ],
    ),
    45: ("ops without a gradient check", [CONTRACTS + "registry.py::test_every_op_has_an_entry"]),
}


def leaf(*values, dtype="float64"):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_all_45_traps_have_a_line():
    assert list(TRAPS) == list(range(1, 46))
    assert [n for n, (trap, tests) in TRAPS.items() if not tests and " yet" not in trap] == []


def test_every_test_that_a_trap_names_exists():
    def exists(name):
        path, test = name.split("::")
        return re.search(rf"^(def {test}\(|{test} = )", (TESTS.parent / path).read_text(), re.MULTILINE)

    assert [name for _, tests in TRAPS.values() for name in tests if not exists(name)] == []


# --- graphs -------------------------------------------------------------------------------------------------------------


def test_chain_of_30_000_ops_can_be_deleted_unwalked():
    y = leaf(1.0)
    middle = None
    for i in range(30_000):
        y = y * 1.0
        middle = weakref.ref(y) if i == 15_000 else middle
    del y
    assert middle() is None


def test_read_only_array_can_be_differentiated():
    x = Tensor(np.broadcast_to(np.array([2.0]), (3,)), requires_grad=True)
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4, 4, 4])


def test_detached_factor_counts_as_a_constant():
    x = leaf(3.0)
    (x.detach() * x).backward()
    assert x.grad.item() == 3


def test_choosing_the_argument_first_is_the_remedy_for_nan_behind_where():
    x = leaf(1.0, -4.0)
    safe = mg.where(x >= 0, 1.0, -x)
    mg.where(x >= 0, x, mg.sqrt(safe)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [1, -0.25])


# --- what holds for every op --------------------------------------------------------------------------------------------


def test_every_gradient_has_its_inputs_shape_and_dtype():
    for name, fn, inputs in CASES:
        leaves = [Tensor(x, requires_grad=True) for x in inputs()]
        y = fn(*leaves)
        for part in y if isinstance(y, tuple | list) else [y]:
            for x, g in zip(leaves, mg.grad(part, leaves, gradient=np.ones(part.shape)), strict=True):
                assert (g.shape, g.dtype) == (x.shape, x.dtype), name


def test_no_op_writes_into_its_inputs_or_the_arriving_gradient():
    for name, fn, inputs in CASES:
        arrays = [_read_only(x) for x in inputs()]
        leaves = [Tensor(x, requires_grad=True) for x in arrays]
        y = fn(*leaves)
        for part in y if isinstance(y, tuple | list) else [y]:
            mg.grad(part, leaves, gradient=_read_only(np.full(part.shape, 1.5)))
        assert all(x.data is array for x, array in zip(leaves, arrays, strict=True)), name


def _read_only(values):
    """A copy; whoever writes into it gets an error."""
    array = np.array(values)
    array.flags.writeable = False
    return array


# --- backends -----------------------------------------------------------------------------------------------------------


class _Elsewhere(np.ndarray):
    """Stands for an array of another module."""


@pytest.mark.parametrize("op", [mg.add, mg.matmul, lambda a, b: mg.concatenate([a, b]), lambda a, b: mg.where([True], a, b)])
def test_arguments_on_two_backends_are_refused_by_position(op):
    here, there = Tensor(np.ones(1)), Tensor(np.ones(1))
    there._data = there._data.view(_Elsewhere)
    with pytest.raises(TypeError, match=r"the arguments live on different backends: argument 1 on .*, argument 2 on "):
        op(here, there)


# --- the tests themselves -----------------------------------------------------------------------------------------------


def test_no_test_name_stands_twice_in_a_file():
    for path in TESTS.rglob("test_*.py"):
        names = re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
        assert len(names) == len(set(names)), path


def test_every_test_starts_recording_and_not_watched():
    assert mode.recording
    assert not mode.watchers
