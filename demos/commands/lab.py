"""The playground: a page in the browser on which a class plays the GAN game, run by minigan, down to each derivative."""

import webbrowser
from argparse import ArgumentTypeError, Namespace
from contextlib import suppress
from functools import partial

from demos.kit.runner.options import Options, named_or_path
from demos.lab.code import MOST_POINTS, Settings
from demos.lab.server import Server


def main(argv: list[str] | None = None) -> None:
    """Open the playground in the browser, and serve it until Ctrl-C."""
    options = Options(prog="python -m demos lab", description=__doc__)
    options.add_argument("--port", type=port, default=0, help="on 127.0.0.1 (default: a free one)")
    options.add_argument("--no-browser", action="store_true", help="print the address only")
    options.add_argument(
        "--data", type=partial(named_or_path, ()), help="points of your own to begin with, (n, 2) in a .npy, .npz or .csv file"
    )
    args = options.parse_args(argv)
    try:
        server = Server(args.port, own_points(args) if args.data else Settings())
    except OSError as error:
        options.error(f"--port {args.port}: {error.strerror}")
    print(f"The playground: {server.address}\nCtrl-C ends it.", flush=True)
    if not args.no_browser:
        webbrowser.open(server.address)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def own_points(args: Namespace) -> Settings:
    """The settings with the points of --data PATH, as if they had been drawn on the page: at most 3,000, within [-1, 1]."""
    from demos.kit import own_data  # here: without --data, the page needs no pictures

    points = own_data.points(args)[:MOST_POINTS] / 2
    return Settings().of({"points": points.tolist(), "data": "drawn"})


def port(text: str) -> int:
    """A port's number, or argparse's error."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise ArgumentTypeError(f"{text!r} is not a port: expected a number below 65,536")
    return int(text)
