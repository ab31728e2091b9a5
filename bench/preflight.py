"""How long `generator preflight` takes when each call to AWS takes 100 ms, beside one call after the other.

python bench/preflight.py            an emulated account behind a road of 100 ms a call
python bench/preflight.py --runtimes 20 --milliseconds 50

Whoever asks is a user with the generated deployer policy, so that IAM is asked for each of its statements.
"""

import argparse
import contextlib
import io
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml
from moto.server import ThreadedMotoServer

from generator.cli import main as cli
from generator.iam import deployer
from generator.preflight import check
from generator.preflight.result import CheckStatus
from generator.solution.context import Context
from local.emulator import Emulator
from testing import solving
from testing.account import Account
from testing.fake_aws import Quotas, slow_road
from testing.relay import Server
from tests.preflight.conftest import ENOUGH, MODEL, ready

ACCOUNT, REGION = "111122223333", "us-east-1"
# How long a person waits before reaching for Ctrl-C.
BOUND_SECONDS = 10.0


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    seconds: float
    calls: int
    to_iam: int
    # Questions that were refused, or not answered.
    unknown: int


class Roads:
    """Servers that pass calls on, each after the same time."""

    def __init__(self, targets: Mapping[str, str], seconds: float) -> None:
        self._opened = {name: slow_road(url, seconds) for name, url in targets.items()}

    def __enter__(self) -> "Roads":
        for name, road in self._opened.items():
            road.__enter__()
            os.environ[f"AWS_ENDPOINT_URL{name}"] = road.url
        return self

    def __exit__(self, *_: object) -> None:
        for road in self._opened.values():
            road.__exit__()

    def calls(self, name: str | None = None) -> int:
        """How many calls went over all roads, or over one."""
        return sum(road.calls for key, road in self._opened.items() if name in (None, key))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--milliseconds", type=float, default=100)
    parser.add_argument("--runtimes", type=int, default=8)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with account() as targets, tempfile.TemporaryDirectory() as folder:
        path = config(Path(folder), options.runtimes)
        with Roads(targets, options.milliseconds / 1000) as roads:
            together = timed(roads, path)
            check.WORKERS = 1
            in_turn = timed(roads, path)
    calls = f"{together.calls} calls at {options.milliseconds:g} ms, {together.to_iam} of them to IAM"
    print(f"{options.runtimes} runtimes, {calls}: together {together.seconds:.1f} s,")
    ratio = together.seconds / in_turn.seconds
    print(f"one after the other in the same run {in_turn.seconds:.1f} s: ratio {ratio:.2f}")
    if together.unknown:
        sys.exit(f"{together.unknown} questions were not answered: the figures mean nothing")
    sys.exit(together.seconds > BOUND_SECONDS)


@contextlib.contextmanager
def account() -> Iterator[dict[str, str]]:
    """A ready account whose credentials are in the environment; where its services are."""
    fake = Quotas()
    fake.values |= dict.fromkeys(ENOUGH, 100000.0)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    try:
        with Emulator() as aws, Server(fake.answer) as others:
            ready(Account(ACCOUNT, REGION, aws.url, {}))
            os.environ |= aws.client_env(ACCOUNT)
            os.environ |= user(Account(ACCOUNT, REGION, aws.url, {}))
            yield {
                "": aws.url,
                "_IAM": aws.url,
                "_EC2": f"http://{host}:{port}",
                "_SERVICE_QUOTAS": others.url,
                "_EKS": others.url,
            }
    finally:
        moto.stop()


def user(account: Account) -> dict[str, str]:
    """Credentials of a user that may do what the deployer policy says."""
    iam, name = account.client("iam"), "deployer"
    iam.create_user(UserName=name)
    solution = solving.solution(data(1), Context(REGION, ACCOUNT, date.today()))
    for number, policy in enumerate(deployer.policies(solution)):
        text = json.dumps(policy)
        iam.put_user_policy(UserName=name, PolicyName=f"part-{number}", PolicyDocument=text)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def timed(roads: Roads, path: Path) -> Run:
    """One run, as from the command line."""
    before, iam_before, out = roads.calls(), roads.calls("_IAM"), io.StringIO()
    started = time.perf_counter()
    with contextlib.redirect_stdout(out):
        cli.main(["preflight", str(path), "--format", "json"])
    seconds = time.perf_counter() - started
    unknown = sum(row["status"] == CheckStatus.UNKNOWN.value for row in json.loads(out.getvalue()))
    return Run(seconds, roads.calls() - before, roads.calls("_IAM") - iam_before, unknown)


def data(runtimes: int) -> dict[str, object]:
    """A config with so many runtimes."""
    static = {"name": "turbo", "type": "sdwebui", "modelFilename": MODEL}
    others = ({"name": f"any-{n}", "type": "sdwebui", "dynamicModel": True} for n in range(1, runtimes))
    return {
        "stackName": "demo",
        "eksVersion": "1.34",
        "region": REGION,
        "accountId": ACCOUNT,
        "modelBucketArn": f"arn:aws:s3:::models-{ACCOUNT}",
        "modelsRuntime": [static, *others],
    }


def config(folder: Path, runtimes: int) -> Path:
    """The config as a file."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data(runtimes)))
    return path


if __name__ == "__main__":
    main()
