"""How long `generator preflight` takes when each call to AWS takes 100 ms.

python bench/preflight.py            an emulated account behind a road of 100 ms a call
python bench/preflight.py --runtimes 20 --milliseconds 50
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml
from moto.server import ThreadedMotoServer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generator import cli
from local.emulator import Emulator
from tests.conftest import Account
from tests.preflight.conftest import ENOUGH, MODEL, ready
from tests.preflight.fake_aws import Quotas, Server, slow_road

ACCOUNT = "111122223333"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milliseconds", type=float, default=100)
    parser.add_argument("--runtimes", type=int, default=8)
    options = parser.parse_args()
    fake = Quotas()
    fake.values |= dict.fromkeys(ENOUGH, 100000.0)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with Emulator() as aws, Server(fake.answer) as quotas, tempfile.TemporaryDirectory() as folder:
        ready(Account(ACCOUNT, "us-east-1", aws.url, {}))
        roads = {"": aws.url, "_EC2": f"http://{host}:{port}"}
        roads |= {"_SERVICE_QUOTAS": quotas.url, "_EKS": quotas.url}
        opened = {name: slow_road(url, options.milliseconds / 1000) for name, url in roads.items()}
        os.environ |= aws.client_env(ACCOUNT)
        for name, road in opened.items():
            road.__enter__()
            os.environ[f"AWS_ENDPOINT_URL{name}"] = road.url
        started = time.perf_counter()
        cli.main(["preflight", str(config(Path(folder), options.runtimes)), "--format", "text"])
        seconds = time.perf_counter() - started
        calls = Counter({name or "others": road.calls for name, road in opened.items()})
        for road in opened.values():
            road.__exit__()
    moto.stop()
    asked = f"{sum(calls.values())} calls at {options.milliseconds:g} ms"
    print(f"{asked}, {options.runtimes} runtimes: {seconds:.1f} s")


def config(folder: Path, runtimes: int) -> Path:
    """A config with so many runtimes."""
    path = folder / "config.yaml"
    static = {"name": "turbo", "type": "sdwebui", "modelFilename": MODEL}
    rows = [
        static,
        *({"name": f"any-{n}", "type": "sdwebui", "dynamicModel": True} for n in range(1, runtimes)),
    ]
    data = {
        "stackName": "demo",
        "eksVersion": "1.34",
        "region": "us-east-1",
        "accountId": ACCOUNT,
        "modelBucketArn": f"arn:aws:s3:::models-{ACCOUNT}",
        "modelsRuntime": rows,
    }
    path.write_text(yaml.safe_dump(data))
    return path


if __name__ == "__main__":
    main()
