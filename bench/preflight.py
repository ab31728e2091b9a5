"""How long `generator preflight` takes when each call to AWS takes 100 ms, compared with sequential calls.

python -m bench.preflight            an emulated account, 100 ms a call
python -m bench.preflight --runtimes 20 --milliseconds 50

The caller is a user with the generated deployer policy, so that IAM is asked about each of its statements.
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
from testing.fake_aws import FakeAws, delayed_server
from testing.preflight import MODEL, SUFFICIENT_QUOTAS, prepare_account
from testing.relay import Server

ACCOUNT, REGION = "111122223333", "us-east-1"
# How long a user waits before pressing Ctrl-C.
BOUND_SECONDS = 10.0


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    seconds: float
    calls: int
    to_iam: int
    # Checks that AWS refused or did not answer.
    unknown: int


class SlowEndpoints:
    """Servers that forward the calls to AWS services, each after the same delay."""

    def __init__(self, targets: Mapping[str, str], seconds: float) -> None:
        self._servers = {name: delayed_server(url, seconds) for name, url in targets.items()}

    def __enter__(self) -> "SlowEndpoints":
        for name, server in self._servers.items():
            server.__enter__()
            os.environ[f"AWS_ENDPOINT_URL{name}"] = server.url
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.__exit__()

    def calls(self, name: str | None = None) -> int:
        """How many calls went to one endpoint, or to all."""
        return sum(server.calls for key, server in self._servers.items() if name in (None, key))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--milliseconds", type=float, default=100)
    parser.add_argument("--runtimes", type=int, default=8)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with account() as targets, tempfile.TemporaryDirectory() as folder:
        path = config(Path(folder), options.runtimes)
        with SlowEndpoints(targets, options.milliseconds / 1000) as endpoints:
            parallel = timed(endpoints, path)
            check.WORKERS = 1
            sequential = timed(endpoints, path)
    calls = f"{parallel.calls} calls at {options.milliseconds:g} ms, {parallel.to_iam} of them to IAM"
    print(f"{options.runtimes} runtimes, {calls}: parallel {parallel.seconds:.1f} s,")
    ratio = parallel.seconds / sequential.seconds
    print(f"sequential in the same run {sequential.seconds:.1f} s: ratio {ratio:.2f}")
    if parallel.unknown:
        sys.exit(f"AWS did not answer {parallel.unknown} checks: the figures are not valid")
    sys.exit(parallel.seconds > BOUND_SECONDS)


@contextlib.contextmanager
def account() -> Iterator[dict[str, str]]:
    """Prepare an account for a deployment, its credentials in the environment; its endpoints by service."""
    fake = FakeAws()
    fake.values |= dict.fromkeys(SUFFICIENT_QUOTAS, 100000.0)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    try:
        with Emulator() as aws, Server(fake.answer) as fake_server:
            prepare_account(Account(ACCOUNT, REGION, aws.url, {}))
            os.environ |= aws.client_env(ACCOUNT)
            os.environ |= user(Account(ACCOUNT, REGION, aws.url, {}))
            yield {
                "": aws.url,
                "_IAM": aws.url,
                "_EC2": f"http://{host}:{port}",
                "_SERVICE_QUOTAS": fake_server.url,
                "_EKS": fake_server.url,
                "_SSM": fake_server.url,
            }
    finally:
        moto.stop()


def user(account: Account) -> dict[str, str]:
    """Credentials of a user who has the generated deployer policy."""
    iam, name = account.client("iam"), "deployer"
    iam.create_user(UserName=name)
    solution = solving.solution(data(1), Context(REGION, ACCOUNT, date.today()))
    for number, policy in enumerate(deployer.policies(solution)):
        text = json.dumps(policy)
        iam.put_user_policy(UserName=name, PolicyName=f"part-{number}", PolicyDocument=text)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def timed(endpoints: SlowEndpoints, path: Path) -> Run:
    """Run `generator preflight` once."""
    before, iam_before, out = endpoints.calls(), endpoints.calls("_IAM"), io.StringIO()
    started = time.perf_counter()
    with contextlib.redirect_stdout(out):
        cli.main(["preflight", str(path), "--format", "json"])
    seconds = time.perf_counter() - started
    unknown = sum(row["status"] == CheckStatus.UNKNOWN.value for row in json.loads(out.getvalue()))
    return Run(seconds, endpoints.calls() - before, endpoints.calls("_IAM") - iam_before, unknown)


def data(runtimes: int) -> dict[str, object]:
    """A config with so many runtimes."""
    static = {"name": "turbo", "type": "sdwebui", "modelFilename": MODEL}
    dynamic = ({"name": f"any-{n}", "type": "sdwebui", "dynamicModel": True} for n in range(1, runtimes))
    return {
        "stackName": "demo",
        "eksVersion": "1.34",
        "region": REGION,
        "accountId": ACCOUNT,
        "modelBucketArn": f"arn:aws:s3:::models-{ACCOUNT}",
        "modelsRuntime": [static, *dynamic],
    }


def config(folder: Path, runtimes: int) -> Path:
    """The config as a file."""
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(data(runtimes)))
    return path


if __name__ == "__main__":
    main()
