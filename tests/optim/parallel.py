"""A program for `mpiexec -n R python parallel.py GAME STEPS [--rule momentum] ...`: a game on R ranks, saved by rank 0."""

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
    return games.make(kind, dtype="float64", rule=lambda params, lr: wrap(RULES[rule].make(params)), networks=networks), batches


def alone(name, steps, rule="adam"):
    """The state of the game, and of its minibatches, after this many steps in one process, without a communicator."""
    game, batches = make(name, rule)
    for _ in range(steps):
        game.step(batches)
    return game.state_dict(), batches.state_dict()


def save(path, t, game, batches):
    with open(f"{path}.new", "wb") as file:
        pickle.dump((t, game.state_dict(), batches.state_dict()), file)
    os.replace(f"{path}.new", path)  # never half a file


def lose(args, comm, t):
    """What becomes of the last rank, if this is its time."""
    if not (args.lose and t == args.at and comm.rank == comm.size - 1):
        return
    if args.lose == "raise":
        raise ZeroDivisionError("a rank's own")
    os.kill(os.getpid(), getattr(signal, args.lose))


def main():
    from mpi4py import MPI

    options = argparse.ArgumentParser()
    options.add_argument("name")
    options.add_argument("steps", type=int)
    options.add_argument("--rule", default="adam")
    options.add_argument("--every", type=int, default=0, help="save after this many steps")
    options.add_argument("--patience", type=float, default=20.0)
    options.add_argument("--lose", help="what becomes of the last rank: a signal's name, or 'raise'")
    options.add_argument("--at", type=int, default=0, help="in which step; -1: before all")
    args, comm, start = options.parse_args(), MPI.COMM_WORLD, 0
    with data.shared_noise(comm):
        lose(args, comm, -1)
        averaged = lambda optimizer: optim.Averaged(optimizer, comm, args.patience)  # noqa: E731
        game, batches = make(args.name, args.rule, averaged, lambda stream: data.share(stream, comm))
        if os.path.exists("checkpoint.pkl"):
            with open("checkpoint.pkl", "rb") as file:
                start, *states = pickle.load(file)
            for part, state in zip((game, batches), states, strict=True):
                part.load_state_dict(state)
        for t in range(start, args.steps):
            lose(args, comm, t)
            game.step(batches)
            if comm.rank == 0 and args.every and (t + 1) % args.every == 0:
                save("checkpoint.pkl", t + 1, game, batches)
    save(f"end{comm.rank}.pkl", args.steps, game, batches)


if __name__ == "__main__":
    main()
