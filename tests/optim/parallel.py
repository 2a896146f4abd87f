"""A program for `mpiexec -n R python parallel.py GAME STEPS [--rule momentum] ...`: a game on R ranks; each saves its end."""

import argparse
import os
import pickle
import signal

import minigan as mg
from minigan import data, nn, optim
from tests.contracts import games
from tests.contracts.rules import RULES

M = 16  # rows of a minibatch, for all ranks together


def make(name, rule, wrap=lambda optimizer: optimizer, shared=lambda stream: stream):
    """A game in float64, or "dropout", and its minibatches. `wrap` wraps an optimizer, `shared` a stream."""
    mg.seed(3)
    batches = shared(data.batches(data.ring(200).astype("float64"), size=M))
    dropout = {"D": nn.Sequential(nn.Dense(2, 16), nn.Dropout(0.3), nn.Tanh(), nn.Dense(16, 1))}
    kind, networks = ("gan", dropout) if name == "dropout" else (name, None)
    rules = lambda params, lr: wrap(RULES[rule].make(params, lr=lr))  # noqa: E731
    return games.make(kind, dtype="float64", rule=rules, networks=networks, lr=1e-3), batches


def alone(name, steps, rule):
    """The state of the game, and of its minibatches, after this many steps in one process, without a communicator."""
    game, batches = make(name, rule)
    for _ in range(steps):
        game.step(batches)
    return game.state_dict(), batches.state_dict()


def lose(how):
    if how == "raise":
        raise ZeroDivisionError("a rank's own")
    os.kill(os.getpid(), getattr(signal, how))


def main():
    from mpi4py import MPI

    options = argparse.ArgumentParser()
    options.add_argument("name")
    options.add_argument("steps", type=int)
    options.add_argument("--rule", default="adam")
    options.add_argument("--patience", type=float, default=20.0)
    options.add_argument("--lose", help="what becomes of the last rank: a signal's name, or 'raise'")
    options.add_argument("--at", type=int, default=0, help="in which step; -1: before all")
    args, comm = options.parse_args(), MPI.COMM_WORLD
    at = args.at if args.lose and comm.rank == comm.size - 1 else None
    if at == -1:
        lose(args.lose)
    with data.shared_noise(comm):
        averaged = lambda optimizer: optim.Averaged(optimizer, comm, args.patience)  # noqa: E731
        game, batches = make(args.name, args.rule, averaged, lambda stream: data.share(stream, comm))
        for t in range(args.steps):
            if t == at:
                lose(args.lose)
            game.step(batches)
    with open(f"end{comm.rank}.pkl", "wb") as file:
        pickle.dump((game.state_dict(), batches.state_dict()), file)


if __name__ == "__main__":
    main()
