"""The playground: a page in the browser on which a class plays the GAN game, run by minigan, down to each derivative."""

import webbrowser
from argparse import ArgumentTypeError
from contextlib import suppress

from demos.kit.runner.options import Options
from demos.lab.server import Server


def main(argv: list[str] | None = None) -> None:
    """Open the playground in the browser, and serve it until Ctrl-C."""
    options = Options(prog="python -m demos lab", description=__doc__)
    options.add_argument("--port", type=port, default=0, help="on 127.0.0.1 (default: a free one)")
    options.add_argument("--no-browser", action="store_true", help="print the address only")
    args = options.parse_args(argv)
    try:
        server = Server(args.port)
    except OSError as error:
        options.error(f"--port {args.port}: {error.strerror}")
    print(f"The playground: {server.address}\nCtrl-C ends it.", flush=True)
    if not args.no_browser:
        webbrowser.open(server.address)
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def port(text: str) -> int:
    """A port's number, or argparse's error."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise ArgumentTypeError(f"{text!r} is not a port: expected a number below 65,536")
    return int(text)
