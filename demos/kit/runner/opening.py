"""The start of a run: options, backend, seed, the folder for the results, the checkpoint, and an empty claim."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import Any

import minigan as mg
from demos.kit.claim import Claim
from demos.kit.runner import results
from demos.kit.runner.checkpoint import Checkpoint, running
from demos.kit.runner.options import NAMES, PUBLISHED, Options, add_settings, changed, cores, own_options, resume_command
from minigan import backend
from minigan.backend import memory

NOTEBOOK = "main.play"  # instead of the command of an experiment in a notebook, which no command can run


def start(
    options: Options, argv: Sequence[str] | None, name: str, settings: Any = None, own_path: str = ""
) -> argparse.Namespace:
    """Read the options, choose the backend, seed everything, and open the folder for the results.

    `settings`: the demo's default settings, for --help and --set (None: it has none); the demo calls `settings.settings_of`.
    `own_path`: of a user's own file, which is typed instead of a name.
    A mistake ends the program with one line, not a traceback. The demo then calls `open_claim` with its settings.
    """
    options.prog = own_path if own_path == NOTEBOOK else shlex.join(["python", "-m", "demos", own_path or name])
    if settings is not None:
        add_settings(options, settings)
    memory.keep()  # each step of a training needs the same large arrays again
    argv = sys.argv[1:] if argv is None else argv
    args = options.parse_args(argv)
    others = changed(options, args)
    args.program = options.prog
    args.usual = set(others) <= {"seed", "quick"}
    if args.record and own_path:
        options.error("--record: only for the demos, whose results are in demos/results")
    if args.record and others:
        options.error(f"--record: only for a full run with the default options, without --{', --'.join(others)}")
    try:
        backend.use(args.backend)
    except backend.BackendError as error:
        options.exit(2, f"{options.prog}: --backend {args.backend}: {error}\n")  # no other option helps
    mg.seed(args.seed)
    default = "data" in args and args.data is None
    if default:
        args.data = args.data_defaults[args.quick]
    if getattr(args, "data_dir", None) and args.data not in PUBLISHED:
        why = f"{args.data}{', the default' * default}{' with --quick' * (default and args.quick)}"
        options.error(f"--data-dir: only --data {' and '.join(PUBLISHED)} are read from a folder; here --data is {why}")
    if (unused := own_options(args)) and args.data in (None, *NAMES):
        options.error(f"--{min(unused)}: only for your own images, --data PATH; here --data is {args.data}")
    args.out = args.out or results.default_folder(args.quick) / name
    args.checkpoint = checkpoint_of(options, args, argv, name)
    return args


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
    lock = options.locked(args.out)
    if resume and not resume.exists():
        print(f"--resume: there is no checkpoint {resume} yet: this run starts from the beginning", file=sys.stderr)
        resume = None
    if resume and args.record:
        print("--record: ignored with --resume, because a resumed run does not measure all its seconds", file=sys.stderr)
        args.record = False
    jobs = args.jobs or (1 if args.quick or args.backend != "numpy" else cores())  # on a GPU, more would not be faster
    commands = {"command": resume_command(options.prog, argv), "typed": shlex.join([*shlex.split(options.prog), *argv])}
    checkpoint = Checkpoint(here, name, resume=resume, lock=lock, jobs=jobs, **commands)
    running.catch_signals(checkpoint)
    return checkpoint


def open_claim(args: argparse.Namespace, settings: dict[str, Any]) -> Claim:
    """The demo's claim, still empty. Later loops can be resumed.

    Args:
        args: the options, from `start`.
        settings: everything that the result depends on, except the seed; for summary.json. A run that is shorter than its
            "steps" (--steps) is the beginning of the full run: its learning rates do not fall faster.
    """
    whole = settings.get("steps", 0)  # of a full run; 0: the demo has no such setting
    steps = getattr(args, "steps", None) or whole
    schedule = max(steps, whole) if whole else 0
    open_checkpoint(args, {**settings, "steps": schedule} if whole else settings)
    return Claim(args, {**settings, "steps": steps} if whole else settings, schedule)


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
            there = results.make_room(args.out, checkpoint.demo, args.quick, results.left_by_a_run(args.out))
    except OSError as error:
        raise SystemExit(f"--out {args.out}: the earlier run in it cannot be moved: {error}") from None
    if there:
        print(f"the results of an earlier run in {args.out} are now in {there}", file=sys.stderr)
    if not same_folder:
        checkpoint.forget_tasks()
    elif there:
        checkpoint.resume = there / resume.name
