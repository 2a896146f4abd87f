"""The start of a run: it locks its folder and opens its checkpoint."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from demos.kit.runner import folders
from demos.kit.runner.checkpoint import Checkpoint, running
from demos.kit.runner.options import Options, number_of_jobs, resume_command
from minigan import backend


def checkpoint_of(options: Options, args: argparse.Namespace, argv: Sequence[str], name: str) -> Checkpoint:
    """Open the folder for the results, and make the run's checkpoint. From now on, a signal saves and stops.

    A mistake in the options ends the program with one line; then the folder is unchanged.
    """
    here = args.out / "checkpoint.npz"
    resume = here if args.resume is True else args.resume
    if resume and args.resume is not True and not resume.exists():
        options.error(f"--resume: there is no checkpoint {resume}")
    if resume and resume.exists() and here.exists() and resume.samefile(here):
        resume = here
    running.close()
    try:
        lock = folders.open_folder(args.out)
    except (OSError, ValueError) as error:
        options.error(f"--out {args.out}: {getattr(error, 'strerror', None) or error}")
    if resume and not resume.exists():
        print(f"--resume: there is no checkpoint {resume} yet: this run starts from the beginning", file=sys.stderr)
        resume = None
    if resume and args.record:
        print("--record: ignored with --resume, because a resumed run does not measure all its seconds", file=sys.stderr)
        args.record = False
    commands = {"command": resume_command(options.prog, argv), "typed": shlex.join([*shlex.split(options.prog), *argv])}
    checkpoint = Checkpoint(here, name, resume=resume, lock=lock, jobs=number_of_jobs(args), **commands)
    running.catch_signals(checkpoint)
    return checkpoint


def open_checkpoint(args: argparse.Namespace, settings: dict[str, Any]) -> None:
    """Open the checkpoint with these settings: all that the result depends on, except the common options.

    The results of an earlier run in the folder are moved out of the way.
    """
    checkpoint, resume = args.checkpoint, args.checkpoint.resume
    checkpoint.open({**settings, "seed": args.seed, "backend": backend.name(), "quick": args.quick})
    if resume == checkpoint.path:
        return
    same_folder = resume and resume.parent.samefile(args.out)  # then the checkpoints of its tasks are there, too
    try:
        with running.undisturbed():
            there = folders.make_room(args.out, checkpoint.demo, args.quick, folders.left_by_a_run(args.out))
    except OSError as error:
        raise SystemExit(f"--out {args.out}: the earlier run in it cannot be moved: {error}") from None
    if there:
        print(f"the results of an earlier run in {args.out} are now in {there}", file=sys.stderr)
    if not same_folder:
        checkpoint.forget_tasks()
    elif there:
        checkpoint.resume = there / resume.name
