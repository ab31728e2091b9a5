"""The AWS of one machine: ministack on loopback, with an account for whoever asks."""

import os
import shutil
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from local import processes
from local.pinned import python_of
from local.processes import Child, LocalError

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "ministack"
START_SECONDS = 30.0
START_TRIES = 3
# An access key of twelve digits is, to the emulator, an account of that number.
ACCOUNT = "111122223333"
REGION = "us-east-1"


class Emulator:
    """One emulator process. `with Emulator() as aws:` starts it and ends it; nothing of it stays on disk.

    Its files are in `folder`, or in a folder that goes with it. `account` is the one that unsigned calls, as
    those to an HTTP API, belong to. `enforce_iam` makes it refuse what the policies do not allow. Start it in
    the main thread (see `processes.start`).
    """

    def __init__(
        self, *, folder: Path | None = None, account: str = ACCOUNT, enforce_iam: bool = False
    ) -> None:
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="sd-emulator-"))
        self._settings = {"MINISTACK_ACCOUNT_ID": account, "AUTH": str(enforce_iam).lower()}
        self.port = 0
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / "emulator.log"

    @property
    def children(self) -> tuple[Child, ...]:
        """Its process, once it is started."""
        return (self._child,) if self._child else ()

    def start(self) -> "Emulator":
        """Start it and wait until STS answers."""
        python = install()
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(START_TRIES):  # another process may take the free port first: then try another
            self.port = free_port()
            self._child = processes.start(
                "emulator", [str(python), "-m", "ministack"], self._server(), self.folder
            )
            if self._answers_soon():
                return self
            processes.stop(self.children)
        raise LocalError("the AWS emulator did not start", "read its log; remove .cache/ministack*", self.log)

    def stop(self) -> None:
        """End it, and remove its folder unless it was given one."""
        processes.stop(self.children)
        self._child = None
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "Emulator":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def reset(self) -> None:
        """Forget every account's resources."""
        request = urllib.request.Request(f"{self.url}/_ministack/reset", method="POST")  # noqa: S310 (loopback)
        with _direct().open(request, timeout=10):
            pass

    def client_env(self, account: str = ACCOUNT, region: str = REGION) -> dict[str, str]:
        """The environment in which an SDK talks to this emulator and never to AWS."""
        return outside(os.environ) | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
        }

    def _server(self) -> dict[str, str]:
        folder = str(self.folder)
        places = {"TMPDIR": folder, "STATE_DIR": f"{folder}/state", "S3_DATA_DIR": f"{folder}/s3"}
        listen = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port)}
        return outside(os.environ) | places | listen | self._settings

    @property
    def _alive(self) -> bool:
        return all(child.alive for child in self.children)

    def _answers_soon(self) -> bool:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self._alive:
            if self._answers():
                return self._alive
            time.sleep(0.05)
        return False

    def _answers(self) -> bool:
        scope = f"Credential={ACCOUNT}/20260101/{REGION}/sts/aws4_request"
        request = urllib.request.Request(  # noqa: S310 (loopback)
            self.url,
            data=b"Action=GetCallerIdentity&Version=2011-06-15",
            headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"},
        )
        try:
            with _direct().open(request, timeout=5) as answer:
                return ACCOUNT.encode() in answer.read()
        except urllib.error.HTTPError as refusal:
            return refusal.code == HTTPStatus.FORBIDDEN  # with `enforce_iam`: the question is not signed
        except OSError:
            return False


def install() -> Path:
    """The interpreter that has the emulator, which is installed when it is not."""
    return python_of(CACHE, ROOT / "local" / "ministack.txt")


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` without what leads an SDK to a real account, or calls on loopback to a proxy."""
    kept = {key: value for key, value in environment.items() if not key.startswith("AWS_")}
    nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    return kept | nowhere | {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*", "no_proxy": "*"}


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _direct() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))
