"""`python -m local demo|up|down|serve`: the commands behind `make demo`, `make up` and `make down`."""

import argparse
import os
import signal
import sys
from pathlib import Path

from generator import app
from generator.errors import AwsError, ConfigError, Exit
from local import background, demo
from local.pods import Durations
from local.processes import LocalError


def main() -> int:
    """Run one command; the exit code."""
    args = _arguments()
    signal.signal(signal.SIGTERM, _terminated)
    # A background job of a script starts with SIGINT ignored and could not be stopped cleanly.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _run(args)
    except ConfigError as error:
        color = sys.stderr.isatty() and not (args.no_color or os.environ.get("NO_COLOR"))
        print(app.problem_text(error.problems, color=color), file=sys.stderr, end="")
        return Exit.CONFIG
    except (LocalError, AwsError) as error:
        print(f"\n{args.command}: {error}", file=sys.stderr)
        return Exit.BUG
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    durations = Durations(args.service_time, args.load_time)
    if args.command == "demo":
        options = demo.DemoOptions(args.config, args.folder, durations, args.rounds, args.seconds)
        return Exit.DONE if demo.run(options) else Exit.BUG
    if args.command == "serve":
        background.serve(args.config, args.folder, durations)
    elif args.command == "up":
        print(background.up(args.config, args.folder, durations))
    else:
        print(background.down(args.folder))
    return Exit.DONE


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=("demo", "up", "down", "serve"))
    parser.add_argument("--config", default="local/demo.yaml", help="the solution config (local/demo.yaml)")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="folder for all output (.demo)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each example is sent (3)")
    parser.add_argument("--seconds", type=float, default=90.0, help="time limit of a demo (90)")
    parser.add_argument(
        "--service-time", type=float, default=0.4, help="seconds to simulate one picture (0.4)"
    )
    parser.add_argument(
        "--load-time", type=float, default=1.0, help="seconds to simulate loading a model (1)"
    )
    parser.add_argument("--no-color", action="store_true", help="no color")
    return parser.parse_args()


def _terminated(number: int, _: object) -> None:
    """End by an exception, so that everything that was started is stopped as well."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
