"""`python -m demos all`: run all demos in parallel, and collect their results on one page."""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from demos import catalogue
from demos.catalogue import described
from demos.kit.runner import index_page, results
from demos.kit.runner import options as cli
from demos.kit.runner.options import Options
from demos.kit.runner.progress import progress
from demos.kit.runner.results import summary_of

POLL = 0.1  # seconds between two checks of the running demos
TIMINGS = "speed"  # it runs alone


def main(argv: Sequence[str]) -> None:
    """Run each demo in its own process, continue if one fails, and write the page."""
    options = Options(prog="python -m demos all", description="Run all demos, several at a time.")
    options.add_argument("--quick", action="store_true", help="small versions that finish in seconds")
    options.add_argument("--out", type=cli.path_option, help="folder for the results (default: runs; quick: runs/quick)")
    options.add_argument("--seed", type=cli.seed_number, default=0, help="of all random numbers (default: 0)")
    options.add_argument(
        "--jobs", type=cli.positive_number, default=cli.cores(), help="demos at a time (default: the number of cores)"
    )
    options.add_argument("--format", choices=["png", "svg", "pdf"], default="png", help="of the pictures (default: png)")
    options.add_argument("--record", action="store_true", help="save the results in demos/results, for README")
    options.add_argument("--resume", action="store_true", help="continue stopped demos, and skip finished ones")
    args = options.parse_args(argv)
    args.out = args.out or results.default_folder(args.quick)
    if args.record and (args.quick or args.seed):
        options.error("--record: only for full runs with the default options, without --quick, --seed")
    for line in catalogue.clashes().values():
        options.error(line)
    demos = catalogue.names()
    chapters = entries(demos, args)  # now, because files may change while the demos run
    try:
        lock = results.open_folder(args.out)
        if moved := make_room(demos, args):
            print(f"earlier results of {moved} demos are now in {args.out / 'NAME' / results.EARLIER}", file=sys.stderr)
    except OSError as error:
        options.error(f"--out {args.out}: {error.strerror or error}")
    statuses: dict[str, int | str] = {}
    try:
        with progress(total=len(demos), unit="demo") as bar:
            for name, status in side_by_side(demos, args):
                statuses[name] = status
                bar.update()
                if status:
                    bar.write(f"{name}: {verdict(args.out / name, status)}")
    except KeyboardInterrupt:
        print(f"stopped; to continue: {cli.resume_command(options.prog, argv)}", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        results.close_folder(lock)
    print(f"\n{'demo':<22} {'seconds':>8}  verdict")
    for name in demos:
        seconds = summary_of(args.out / name).get("seconds")
        print(f"{name:<22} {'-' if seconds is None else f'{seconds:.0f}':>8}  {verdict(args.out / name, statuses[name])}")
    print(f"\nAll results are on one page: {index_page.write(args.out, chapters, args.seed, args.quick)}")
    if failed := [name for name in demos if statuses[name]]:
        raise SystemExit(f"{len(failed)} of {len(demos)} demos failed: {', '.join(failed)}")


def make_room(demos: Sequence[str], args: argparse.Namespace) -> int:
    """Move the earlier runs that are not resumed, and the page, out of the way. Returns the number of runs."""
    moved = 0
    for name in demos:
        out = args.out / name
        if not out.is_dir() or (args.resume and (out / "checkpoint.npz").exists()):
            continue
        with suppress(OSError):  # another run is writing to it: the demo will report it
            lock = results.open_folder(out)
            try:
                if left := results.left_by_a_run(out):
                    left |= results.named(out, [results.LOG])
                moved += results.make_room(out, name, args.quick, left) is not None
            finally:
                results.close_folder(lock)
    if not args.resume and args.out != results.default_folder(True) and (args.out / "index.html").exists():
        results.move_aside(args.out, [args.out / "index.html"])
    return moved


def side_by_side(demos: Sequence[str], args: argparse.Namespace) -> Iterator[tuple[str, int | str]]:
    """(name, exit status or error) of each demo as it ends. The longest demos, as recorded, start first."""
    waiting = sorted(demos, key=lambda name: (name == TIMINGS, -recorded_seconds(name)))
    running: dict[str, subprocess.Popen] = {}
    try:
        with cli.ends_as_ctrl_c():
            while waiting or running:
                while waiting and len(running) < args.jobs and not (waiting[0] == TIMINGS and running):
                    name = waiting.pop(0)
                    try:
                        running[name] = begin(command(name, args.out / name, args), args.out / name)
                    except OSError as error:
                        yield name, f"{error}"
                for name in [name for name, process in running.items() if process.poll() is not None]:
                    yield name, running.pop(name).returncode
                time.sleep(POLL)
    finally:  # Ctrl-C, here or in the caller's loop
        stop(running.values())


def stop(processes: Collection[subprocess.Popen]) -> None:
    """Let the running demos save. Another Ctrl-C kills them."""
    try:
        for process in processes:
            with suppress(ValueError):  # on Windows there are no groups, so it already has the Ctrl-C
                process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()


def recorded_seconds(name: str) -> float:
    """The CPU seconds of the recorded run of a demo; 0 if there is none."""
    path = catalogue.FOLDER / "results" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["cpu_seconds"] if path.is_file() else 0.0


def command(name: str, out: Path, args: argparse.Namespace) -> list[str]:
    """The command line that runs a demo on one core: the other cores run other demos."""
    flags = [f"--{flag}" for flag in ("quick", "resume", "record") if getattr(args, flag)]
    options = ["--seed", str(args.seed)] if args.seed else []
    return [sys.executable, "-m", "demos", name, "--out", str(out), "--jobs", "1", "--format", args.format, *options, *flags]


def begin(command: list[str], out: Path) -> subprocess.Popen:
    """Start a demo whose output goes to a file. Deletes an earlier summary."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "summary.json").unlink(missing_ok=True)
    with open(out / "output.txt", "wb") as file:  # in its own group: the terminal sends Ctrl-C to this process only
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, process_group=0)


def verdict(out: Path, status: int | str) -> str:
    if isinstance(status, str):
        return f"failed: {status}"
    holds = summary_of(out).get("holds", {})
    if broken := [name for name, held in holds.items() if not held]:
        return f"does not hold: {', '.join(broken)}"
    if status:
        return f"failed: see {out / 'output.txt'}"
    return f"{len(holds)} of {len(holds)} hold" if holds else "nothing to judge"


def entries(demos: Collection[str], args: argparse.Namespace) -> dict[str, list[tuple[str, str, str, str]]]:
    """The page's chapters: for each demo its name, first line, slide and command."""
    options = " --quick" * args.quick + f" --seed {args.seed}" * bool(args.seed)
    chapters = {}
    for chapter in catalogue.CHAPTERS:
        here = [name for name in catalogue.demos_in(chapter) if name in demos]
        about = [(n, *described(catalogue.FOLDER / chapter / f"{n}.py"), f"python -m demos {n}{options}") for n in here]
        chapters[described(catalogue.FOLDER / chapter / "__init__.py")[0]] = about
    return chapters
