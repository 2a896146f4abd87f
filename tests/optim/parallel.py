"""A program for `mpiexec -n R python parallel.py GAME STEPS [--rule momentum] ...`: a game on R ranks, saved by rank 0."""

import argparse
import os
import pickle
import signal

import numpy as np

import minigan as mg
from minigan import data, nn, optim
from tests.contracts import games

M = 16  # rows of a minibatch, for all ranks together
RULES = {
    "Adam": lambda params: optim.Adam(params, 1e-3),
    "momentum": lambda params: optim.SGD(params, 1e-2, momentum=0.9),
    "RMSProp": lambda params: optim.RMSProp(params, 1e-3),
    "OMD": lambda params: optim.OMD(params, 1e-2),
}


def networks(name):
    """What "dropout" and "conv" have in the place of the usual networks of "gan" and "wgan_gp"."""
    if name == "conv":
        G = nn.Sequential(nn.Dense(3, 72), nn.ReLU(), nn.Reshape(8, 3, 3), nn.ConvTranspose2d(8, 1, 4, stride=2, padding=1))
        return {"G": G, "D": nn.Sequential(nn.Conv2d(1, 8, 4, stride=2, padding=1), nn.Flatten(), nn.Dense(72, 1))}
    return {"D": nn.Sequential(nn.Dense(2, 16), nn.Dropout(0.3), nn.Tanh(), nn.Dense(16, 1))} if name == "dropout" else {}


def make(name, rule, wrap=lambda optimizer: optimizer, shared=lambda stream: stream):
    """A game in float64, and its minibatches. `wrap` wraps an optimizer, `shared` a stream."""
    mg.seed(3)
    x = data.ring(200) if name != "conv" else np.random.default_rng(0).uniform(-1, 1, (60, 1, 6, 6))
    batches = shared(data.batches(x.astype("float64"), size=M))
    kind, wrapped = "wgan_gp" if name == "wgan_gp" else "gan", lambda params, lr: wrap(RULES[rule](params))
    return games.make(kind, dtype="float64", rule=wrapped, networks=networks(name)), batches


def alone(name, steps, rule="Adam"):
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
    options.add_argument("--rule", default="Adam")
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
