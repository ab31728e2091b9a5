"""`generator keys`: lists, adds, rotates and revokes API keys, and prints the secrets of their webhooks."""

import argparse
import re
from collections.abc import Callable, Mapping
from typing import Any

from generator import jobs
from generator.cli import flags, output
from generator.client import exports
from generator.deploy import account, api, keys
from generator.deploy.job import Job, RefusedError
from generator.deploy.keys import DeployedKey
from generator.errors import AwsError, Exit
from generator.solution import names
from generator.solution.http_api import ApiKey, Quota
from sd_on_eks import ApiError, Client

DESCRIPTION = "List, add, rotate or revoke the API keys of a deployed solution, one for each application."
EXAMPLES = """\
  generator keys list config.yaml
  generator keys add config.yaml web-shop --rate 5 --burst 10 --quota 1000/day
  generator keys rotate config.yaml web-shop             a new value; the old one still works
  generator keys revoke config.yaml web-shop --old       end every value but the newest
  generator keys revoke config.yaml web-shop             end the key
  generator keys webhook-secret config.yaml web-shop     the secret that signs its webhooks
"""
NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
QUOTA = re.compile(r"([1-9][0-9]{0,9})/(day|week|month)", re.IGNORECASE)
COLUMNS = ("key", "from", "requests/s", "burst", "quota", "values", "newest")


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `keys`."""
    parser.add_argument("action", choices=tuple(ACTIONS), help="what to do")
    flags.add_config(parser)
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name of the key")
    flags.add_output(parser)
    flags.add_format(parser)
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask for confirmation")
    group = parser.add_argument_group("add")
    group.add_argument(
        "--rate", type=int, metavar="N", help="requests per second (default: those of the API)"
    )
    group.add_argument("--burst", type=int, metavar="N", help="burst in requests (default: that of the API)")
    group.add_argument("--quota", type=quota, metavar="N/PERIOD", help="requests in a day, week or month")
    group = parser.add_argument_group("rotate, revoke")
    group.add_argument("--now", action="store_true", help="rotate: end the old values at once")
    group.add_argument("--old", action="store_true", help="revoke: end every value but the newest")


def quota(text: str) -> Quota:
    """`1000/day`. Raises ArgumentTypeError."""
    match = QUOTA.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a quota such as 1000/day, 5000/week or 20000/month"
        )
    return Quota(int(match[1]), match[2].upper())


def run(args: argparse.Namespace) -> Exit:
    """Do what `action` says."""
    try:
        if args.action != "list" and not NAME.fullmatch(args.name or ""):
            reason = "lowercase letters, digits and `-`, at most 40, starting with a letter"
            raise RefusedError(f"`keys {args.action}` needs the NAME of a key: {reason}")
        job = account.check(jobs.over_build(flags.solved(args).solution, args.output, output.terminal(args)))
        ACTIONS[args.action](job, args)
    except (RefusedError, AwsError, OSError) as error:
        return output.stopped("keys", error)
    return Exit.DONE


def _list(job: Job, args: argparse.Namespace) -> None:
    found = keys.every(job)
    if args.format == "json":
        output.write_json([_as_data(key) for key in found])
        return
    table = output.new_table(*COLUMNS)
    for key in found:
        data = _as_data(key)
        cells = (
            data["rateLimit"],
            data["burstLimit"],
            data["quota"] or "none",
            data["values"],
            data["newest"],
        )
        output.add_row(table, [key.name, key.source, *(str(cell) for cell in cells)])
    output.print_table(table, args)


def _as_data(key: DeployedKey) -> dict[str, Any]:
    limits, active = key.limits, [value for value in key.values if value.active]
    return {
        "name": key.name,
        "source": key.source,
        "rateLimit": limits.rate_limit,
        "burstLimit": limits.burst_limit,
        "quota": f"{limits.quota.limit}/{limits.quota.period.lower()}" if limits.quota else None,
        "values": len(active),
        "newest": active[-1].created if active else "revoked",
    }


def _add(job: Job, args: argparse.Namespace) -> None:
    of_api = job.solution.api
    if args.name in {key.name for key in of_api.keys}:
        raise RefusedError(f"{args.name!r} is in APIGW.keys: `generator deploy` creates it")
    limits = ApiKey(args.name, args.rate or of_api.rate_limit, args.burst or of_api.burst_limit, args.quota)
    for flag, value, limit in (
        ("--rate", limits.rate_limit, of_api.rate_limit),
        ("--burst", limits.burst_limit, of_api.burst_limit),
    ):
        if not 0 < value <= limit:
            raise RefusedError(f"{flag} {value} is not between 1 and that of the whole API, {limit}")
    endpoint = api.endpoint(job)
    _print(args, endpoint.url, keys.add(job, endpoint.api_id, limits))


def _rotate(job: Job, args: argparse.Namespace) -> None:
    key, url = _existing(job, args.name), api.endpoint(job).url
    if args.now:
        job.confirm(f"End every present value of {key.name} at once? A new one works after about a minute.")
    value = keys.rotate(job, key)
    if args.now:
        keys.end(job, key, key.values)
    else:
        output.say_error(
            f"The old value still works: `generator keys revoke {args.file} {key.name} --old` ends it."
        )
    _print(args, url, value)


def _revoke(job: Job, args: argparse.Namespace) -> None:
    key = _existing(job, args.name)
    if args.old:
        newest = [value for value in key.values if value.active][-1:]
        ended = keys.end(job, key, [value for value in key.values if value not in newest])
        job.say(f"{ended} old values of {key.name} ended")
        return
    if key.name == names.OWN_API_KEY:
        raise RefusedError("`generator smoke` and others use the solution's own key: rotate it instead")
    job.confirm(f"End the key {key.name}? Applications that use it are refused at once; their tasks stay.")
    job.say(f"{keys.revoke(job, key)} values of {key.name} ended")
    if key.source == "config":
        job.say(f"Remove {key.name} from APIGW.keys as well: the next deployment deletes it.")


def _existing(job: Job, name: str) -> DeployedKey:
    key = keys.find(job, name)
    if key is None:
        raise RefusedError(f"there is no API key {name!r}: `generator keys list` shows those that there are")
    return key


def _print(args: argparse.Namespace, url: str, value: str) -> None:
    if args.format == "json":
        output.write_json({"name": args.name, "apiUrl": url, "apiKey": value})
    else:
        print(exports(Client(url, value)))


def _webhook_secret(job: Job, args: argparse.Namespace) -> None:
    try:
        secret = api.client(job, args.name).webhook_secret()
    except ApiError as error:
        raise AwsError(str(error)) from error
    if args.format == "json":
        output.write_json({"name": args.name, "webhookSecret": secret})
    else:
        print(secret)


ACTIONS: Mapping[str, Callable[[Job, argparse.Namespace], None]] = {
    "list": _list,
    "add": _add,
    "rotate": _rotate,
    "revoke": _revoke,
    "webhook-secret": _webhook_secret,
}
