"""Averaged on a device: gradients that go by the host's memory, or as they are where MPI takes the GPU's."""

import numpy as np
import pytest

import minigan as mg
from minigan import Tensor, backend, data, nn, optim
from tests.device.comparing import assert_agree, on_both
from tests.helpers.ranks import Comm


def on_a_device(kinds):
    """What Averaged does there: the weights, and the kinds of arrays that the communicator saw."""
    mg.seed(0)
    net = nn.Sequential(nn.Dense(3, 4), nn.Tanh(), *(nn.Dense(4, 4) for _ in range(4)), nn.Dense(4, 1))
    comm = Comm()
    comm.kinds = kinds
    rule = optim.Averaged(optim.Adam(net.parameters(), 0.01, eps=0.01), comm)
    for _ in range(3):
        rule.zero_grad()
        ((net(Tensor(np.ones((4, 3), np.float32))) - 1.0) ** 2).mean().backward()
        rule.step()
    return net.state_dict(), {backend.on_device(buffer) for name, buffer in comm.calls if name != "Iallgather"}


@pytest.mark.parametrize(("kinds", "as_it_is"), [(None, False), ("mpi,system", False), ("mpi,system,cuda", True)])
def test_gradients_go_by_the_host_unless_mpi_takes_the_gpus_memory(kinds, as_it_is, device):
    here, there = on_both(lambda: on_a_device(kinds))
    assert_agree(here[0], there[0], 1e-4)
    assert (here[1], there[1]) == ({False}, {as_it_is})


def test_noise_that_is_drawn_there_is_not_shared(device):
    with backend.using("cupy"), pytest.raises(ValueError, match="shared_noise: noise is drawn on the GPU"):  # noqa: SIM117
        with data.shared_noise(Comm()):
            pass
    with backend.using("cupy", noise="numpy"), data.shared_noise(Comm()):
        assert data.noise(2)(3).shape == (3, 2)
