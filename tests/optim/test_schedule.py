"""Learning rates that go to 0, along a line or a cosine."""

import math

import pytest

from minigan import optim
from tests.optim.stepping import parameter


def line(t, steps):
    return 1 - t / steps


def cosine(t, steps, warm_up=0):
    """By PyTorch's numbers: LambdaLR's warm-up, then CosineAnnealingLR, in its recursive form."""
    if t < warm_up:
        return t / warm_up
    found, span = 1.0, steps - warm_up
    for s in range(1, t - warm_up + 1):
        found *= (1 + math.cos(math.pi * s / span)) / (1 + math.cos(math.pi * (s - 1) / span))
    return found


SCHEDULES = [(optim.LinearDecay, line, {}), (optim.Cosine, cosine, {}), (optim.Cosine, cosine, {"warm_up": 2})]
every_schedule = pytest.mark.parametrize(("schedule", "factor", "options"), SCHEDULES)


@every_schedule
@pytest.mark.parametrize("steps", [3, 100])
@pytest.mark.parametrize("kind", [list, iter])
def test_after_t_steps_the_rates_are_lr_0_times_the_factor_and_then_stay_at_0(schedule, factor, options, steps, kind):
    rules = optim.SGD([parameter()], 0.3), optim.Adam([parameter()], 0.007)
    decay = schedule(kind(rules), steps, **options)
    for t in [*range(steps + 1), steps, steps]:
        expected = [lr * factor(t, steps, **options) for lr in (0.3, 0.007)]
        assert [rule.lr for rule in rules] == pytest.approx(expected, rel=1e-12, abs=1e-17)
        assert decay.t == t
        decay.step()
    assert [rule.lr for rule in rules] == [0, 0]


@every_schedule
def test_a_schedule_resumes_from_the_rates_it_started_with_not_the_present_ones(schedule, factor, options):
    rule = optim.SGD([parameter()], 0.3)
    decay = schedule(rule, 10, **options)
    for _ in range(5):
        decay.step()
    late = schedule(rule, 10, **options)  # made at a lower rate
    late.load_state_dict(decay.state_dict())
    for t in (5, 6):
        assert rule.lr == pytest.approx(0.3 * factor(t, 10, **options), rel=1e-12)
        late.step()
