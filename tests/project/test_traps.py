"""Traps that engines of this kind have fallen into, and the tests that keep minigan out of each.

The tests in this file are those that have no better place.
"""

import re
from pathlib import Path

import numpy as np

from minigan.engine.modes import mode
from minigan.engine.tensor import Tensor

TESTS = Path(__file__).parents[1]
TRAPS = """
1. the same parent twice: engine/test_tensor.py test_every_path_to_an_input_counts
2. a reused intermediate, branches of unequal depth: engine/test_tensor.py test_every_path_to_an_input_counts
3. time exponential in the paths: engine/test_tensor.py test_the_work_grows_as_the_graph_does_and_not_as_its_paths
4. recursion on a long chain: engine/test_tensor.py test_long_chain_of_ops
    engine/test_array_protocol.py test_a_history_is_not_copied_and_a_copy_without_it_is_refused
5. time quadratic in parallel branches: engine/test_tensor.py test_the_work_grows_as_the_graph_does_and_not_as_its_paths
6. backward twice over one graph: engine/test_tensor.py test_backward_passes_over_one_graph_add_up_in_any_order
7. two losses that share a subgraph: engine/test_tensor.py test_backward_passes_over_one_graph_add_up_in_any_order
8. a root or seed that cannot start a walk: contracts/test_refusals.py test_it_is_refused_and_the_error_says_why
9. one output of several dropped: engine/test_tensor.py test_outputs_of_one_op_may_be_dropped
10. inputs that nothing depends on: engine/test_tensor.py test_grad_gives_zeros_for_what_the_output_does_not_depend_on
11. no_grad and exceptions, nesting, generators, threads: engine/test_modes.py
    test_exceptions_switch_recording_on_again_and_watchers_off
    test_blocks_nest_and_each_ends_with_its_own test_no_grad_and_watchers_hold_for_their_own_thread_only
    contracts/test_refusals.py test_it_is_refused_and_the_error_says_why
12. a detach that leaks, a D step that reaches G: engine/test_tensor.py test_detach_shares_memory_and_stops_the_gradient
    contracts/test_games.py test_a_step_changes_its_own_networks_and_touches_no_other_gradient
13. gradients that share memory: engine/test_tensor.py test_no_gradient_of_a_random_graph_shares_memory_with_anything
14. derivatives that write into what they get: contracts/test_gradients.py test_gradient_and_its_gradient_are_right
    test_gradients_are_right_at_drawn_arguments gradcheck/test_planted_mistakes.py test_mistake_is_caught_and_named
15. parameters changed between forward and backward: engine/test_versions.py
    test_change_between_forward_and_backward_is_an_error_also_through_views
    test_a_change_of_the_memory_of_an_array_in_a_graph_is_an_error
16. shared, strided and read-only arrays of the user's: engine/test_array_protocol.py test_array_is_shared_whatever_its_strides
    project/test_traps.py test_read_only_array_can_be_differentiated
17. reference circles: engine/test_tensor.py test_no_reference_circles_keep_tensors_alive
    test_an_activation_dies_with_the_last_name_for_its_output_and_a_gradient_keeps_none_alive
    contracts/test_games.py test_the_metrics_keep_no_graph_alive_and_steps_leave_no_circles
18. memory that grows with the steps: games/test_gan.py test_memory_is_steady contracts/test_games.py
    test_the_metrics_keep_no_graph_alive_and_steps_leave_no_circles
19. gradients of another shape than their input: contracts/test_refusals.py test_it_is_refused_and_the_error_says_why
    contracts/test_gradients.py test_gradient_and_its_gradient_are_right test_gradients_are_right_at_drawn_arguments
20. results that are NumPy scalars: engine/test_tensor.py test_users_op_may_return_a_scalar_of_any_kind
21. axis 0, () and negative axes: contracts/test_values.py test_a_value_is_its_twins ops/test_operands.py
    test_integers_and_masks_have_their_dtype
22. negative axes of shape ops: contracts/test_values.py test_a_value_is_its_twins
23. repeated, negative, boolean and mixed indices: ops/test_shaping.py test_getitem_is_numpys_and_counts_repeats
    contracts/test_values.py test_a_value_is_its_twins
24. strides, dilation and shapes of convolutions: contracts/test_values.py test_a_value_is_its_twins
    contracts/test_gradients.py test_gradients_are_right_at_drawn_arguments test_gradient_and_its_gradient_are_right
25. ties: contracts/test_gradients.py test_the_derivative_at_a_special_point_is_the_documented_one
26. kinks and edges of domains: contracts/test_gradients.py test_gradients_are_right_at_special_points
    test_the_derivative_at_a_special_point_is_the_documented_one
27. products with zeros: contracts/test_gradients.py test_gradients_are_right_at_special_points
28. nan in the branch of where not taken: ops/test_elementwise.py
    test_nan_or_inf_in_the_branch_not_taken_reaches_neither_value_nor_gradient
29. overflow far from 0: contracts/test_gradients.py test_gradients_are_right_at_special_points
    test_losses.py test_the_fused_log_loss_is_exact_at_any_logit
30. clamped losses without a gradient: test_losses.py test_no_gradient_of_a_loss_vanishes
31. float32 that turns into float64: contracts/test_values.py test_narrow_floats_come_out_as_they_went_in ops/test_operands.py
    test_float_dtype_survives_numbers_integers_and_masks contracts/test_rules.py test_parameters_and_state_keep_the_dtype
    contracts/test_games.py test_a_float32_game_has_no_float64_array_in_a_step_on_float64_data_and_noise
32. integers where floats are needed: contracts/test_refusals.py test_it_is_refused_and_the_error_says_why ops/test_operands.py
    test_integers_and_masks_have_their_dtype
33. NumPy on the left: engine/test_array_protocol.py test_operators_keep_the_graph_with_numpy_or_python_on_the_left
    contracts/test_refusals.py test_it_is_refused_and_the_error_says_why
34. Python's protocols: engine/test_array_protocol.py test_one_element_is_a_number_and_hash_is_by_identity_but_in_by_value
    test_iteration_stops_and_rows_are_differentiable contracts/test_refusals.py test_it_is_refused_and_the_error_says_why
35. arguments on two backends: device/test_arrays.py test_tensors_of_two_backends_are_refused_at_once_by_name
36. Adam's first step, missing gradients, state: contracts/test_rules.py
    test_30_steps_follow_the_formula_also_after_saving_and_loading_into_a_rule_that_has_stepped
    test_a_parameter_without_a_gradient_waits_unchanged_and_then_steps_like_a_fresh_one
    test_a_parameter_that_is_listed_twice_is_stepped_once test_a_loaded_optimizer_goes_on_bit_for_bit_and_both_are_copies
37. optimistic Adam's previous direction: contracts/test_rules.py
    test_30_steps_follow_the_formula_also_after_saving_and_loading_into_a_rule_that_has_stepped
    test_gradients_are_not_written_to_and_their_memory_may_be_used_again
38. a critic clipped too early, too late, too much or not at all: contracts/test_games.py
    test_iterations_are_those_by_hand games/test_game.py test_running_statistics_are_no_weights_and_not_clipped
    optim/test_clipping.py test_clip_weights_takes_every_element_into_minus_c_to_c_and_leaves_those_inside
39. seeds, hash order, streams that interfere: contracts/test_data.py
    test_the_generator_decides_the_samples_and_else_minigans_seed nn/test_layers.py
    test_initial_values_do_not_depend_on_the_hash_seed contracts/test_games.py
    test_looking_at_samples_does_not_change_the_course_of_the_game
40. layers that differ between training and evaluation: nn/test_layers.py
    test_one_value_a_channel_is_refused_in_training_and_fine_in_eval
    test_the_running_statistics_follow_the_minibatches_with_the_unbiased_variance
    test_dropout_in_eval_or_with_probability_0_changes_nothing contracts/test_attacks.py
    test_the_model_is_in_eval_mode_meanwhile_and_stays_as_it_was
41. a gradient check that accepts what is wrong: gradcheck/test_check.py test_a_mistake_is_rejected_and_named
    gradcheck/test_planted_mistakes.py test_mistake_is_caught_and_named
42. differences taken in float32: contracts/test_refusals.py test_it_is_refused_and_the_error_says_why
43. tests that never draw the odd shapes: gradcheck/test_testing.py test_arrays_of_every_kind_are_drawn
    test_broadcastable_groups_of_every_kind_are_drawn stress/test_programs.py test_random_programs_are_right
44. tests that hide or disturb one another: project/test_traps.py test_every_test_starts_recording_and_not_watched
45. ops without a gradient check: contracts/test_registry.py test_every_op_has_an_entry
"""  # trap: files, each with its tests that guard against it


def test_each_of_the_45_traps_has_tests_that_exist():
    rows = re.findall(r"^(\d+)\. .*?: (.*(?:\n .*)*)", TRAPS, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 46))
    for _, words in rows:
        text = ""
        assert "test_" in words.split(".py", 1)[1]
        for word in words.split():
            if word.endswith(".py"):
                text = (TESTS / word).read_text(encoding="utf-8")
            else:
                assert re.search(rf"^(def {word}\(|{word} = )", text, re.MULTILINE), word


def test_read_only_array_can_be_differentiated():
    x = Tensor(np.broadcast_to(np.array([2.0]), (3,)), requires_grad=True)
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [4, 4, 4])


def test_every_test_starts_recording_and_not_watched():
    assert mode.recording
    assert not mode.watchers
