"""A program for `mpiexec -n 2 python parallel.py HOW AT`: a GAN on two ranks, of which one is lost in step AT (-1: before all).

HOW: a signal's name, or "raise".
"""

import os
import signal
import sys

from minigan import data, optim
from tests.contracts import games


def lose(how):
    if how == "raise":
        raise ZeroDivisionError("a rank's own")
    os.kill(os.getpid(), getattr(signal, how))


def main(how, at):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    at = int(at) if comm.rank == 1 else None
    if at == -1:
        lose(how)
    with data.shared_noise(comm):
        game = games.make("gan", rule=lambda params, lr: optim.Averaged(optim.Adam(params, lr), comm, 2))
        batches = data.share(data.batches(data.ring(200), size=16), comm)
        for t in range(2000):
            if t == at:
                lose(how)
            game.step(batches)


if __name__ == "__main__":
    main(*sys.argv[1:])
