"""`python -m local demo|up|down|serve`: what `make demo`, `make up` and `make down` run."""

import argparse
import os
import signal
import sys
from pathlib import Path

from generator import app
from generator.errors import AwsError, ConfigError, Exit
from local import background, demo
from local.fleet import Pace
from local.processes import LocalError


def main() -> int:
    """Run one command; the exit code."""
    args = _arguments()
    signal.signal(signal.SIGTERM, _terminated)
    # A script's background job starts with it ignored, and could not be stopped gently.
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
    pace = Pace(args.service_time, args.load_time)
    if args.command == "demo":
        wanted = demo.Demo(args.config, args.folder, pace, args.rounds, args.seconds)
        return Exit.DONE if demo.run(wanted) else Exit.BUG
    if args.command == "serve":
        background.serve(args.config, args.folder, pace)
    elif args.command == "up":
        print(background.up(args.config, args.folder, pace))
    else:
        print(background.down(args.folder))
    return Exit.DONE


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=("demo", "up", "down", "serve"))
    parser.add_argument("--config", default="local/demo.yaml", help="the solution config (local/demo.yaml)")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where everything goes (.demo)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each example is sent (3)")
    parser.add_argument("--seconds", type=float, default=90.0, help="when a demo gives up (90)")
    parser.add_argument(
        "--service-time", type=float, default=0.4, help="seconds a simulated picture takes (0.4)"
    )
    parser.add_argument(
        "--load-time", type=float, default=1.0, help="seconds a simulated model load takes (1)"
    )
    parser.add_argument("--no-color", action="store_true", help="no color")
    return parser.parse_args()


def _terminated(number: int, _: object) -> None:
    """End as if by an exception, so that everything that was started is ended too."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
