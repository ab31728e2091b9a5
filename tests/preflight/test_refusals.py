"""What AWS refuses, or does not answer, is reported as not checked, with the reason: no check passes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from generator.aws.clients import Aws
from generator.errors import Exit
from generator.preflight import themes
from generator.preflight.check import Subject, run_all
from generator.preflight.result import CheckStatus, Result, ending
from testing.refusing_aws import RefusingAws
from testing.relay import Server
from tests.preflight.conftest import RUNTIME, subject_of

ACCOUNT, FOREIGN = "123456789012", "210987654321"
KEY = "arn:aws:kms:us-east-1:{account}:key/11111111-2222-3333-4444-{account}"
# Everything that preflight knows to ask.
CONFIG: dict[str, Any] = {
    "kmsKeys": {"models": [KEY.format(account=ACCOUNT)], "outputs": KEY.format(account=FOREIGN)},
    "permissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/demo-boundary",
    "modelsRuntime": [
        {
            **RUNTIME,
            "extraValues": {
                "karpenter": {
                    "nodeTemplate": {
                        "capacityReservationSelectorTerms": [{"id": "cr-0123456789abcdef0"}],
                        "dataVolume": {"snapshotID": "snap-0123456789abcdef0", "volumeSize": "150Gi"},
                    }
                },
                "runtime": {"queueAgent": {"inputBuckets": ["photos"]}},
            },
        }
    ],
}
# The same in a cluster that exists, which is asked about instead of versions and zones.
EXISTING: dict[str, Any] = {**CONFIG, "existingCluster": {"name": "platform", "nodeRole": "Nodes"}}
CONFIGS = pytest.mark.parametrize("config", [CONFIG, EXISTING], ids=["new cluster", "existing cluster"])
# The images that are not in ECR.
ELSEWHERE = "images elsewhere"


def thorough(*values: object) -> Any:
    """A case that only `make test-thorough` runs."""
    return pytest.param(*values, marks=pytest.mark.thorough)


@contextmanager
def server(status: int, code: str) -> Iterator[str]:
    with Server(RefusingAws(ACCOUNT, status, code, "not now").answer) as running:
        yield running.url


def results(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], url: str, others: str | None = None
) -> list[Result]:
    """The results of a run in which `url` answers for STS, and `others` for all other services."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA0123456789ABCDEF")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", others or url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    subject: Subject = subject_of(ACCOUNT, config)
    return run_all(list(themes.checks(subject)), Aws("us-east-1"))


def refused(every: list[Result]) -> list[Result]:
    """The results of what AWS was asked and did not answer."""
    assert (every[0].theme, every[0].status) == ("credentials", CheckStatus.PASSED)
    return [result for result in every[1:] if ELSEWHERE not in result.name]


def not_unknown(every: list[Result]) -> set[tuple[str, str]]:
    return {(one.theme, one.name) for one in every if one.status is not CheckStatus.UNKNOWN}


def test_the_configs_call_for_every_theme() -> None:
    subjects = [subject_of(ACCOUNT, config) for config in (CONFIG, EXISTING)]

    asked = {theme for theme in themes.THEMES for subject in subjects if list(theme.checks(subject))}
    assert [theme.THEME for theme in themes.THEMES if theme not in asked] == []


@CONFIGS
@pytest.mark.parametrize(
    "code", ["AccessDenied", thorough("AccessDeniedException"), thorough("UnauthorizedOperation")]
)
def test_without_permissions_nothing_passes(
    monkeypatch: pytest.MonkeyPatch, code: str, config: dict[str, Any]
) -> None:
    with server(403, code) as url:
        every = results(monkeypatch, config, url)

    # Only its owner may look at a key of another account.
    asked = [result for result in refused(every) if FOREIGN not in result.name]
    assert not_unknown(asked) == set()
    assert [result.name for result in asked if "iam/deployer-policy.json" not in result.help] == []
    assert ending(every) is Exit.AWS


@pytest.mark.thorough
@CONFIGS
@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ThrottlingException"),
        thorough(503, "RequestLimitExceeded"),
        thorough(503, "SlowDown"),
        thorough(500, "InternalError"),
    ],
)
def test_what_is_throttled_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, config: dict[str, Any]
) -> None:
    with server(status, code) as url:
        every = results(monkeypatch, config, url)

    assert not_unknown(refused(every)) == set()
    assert [result.name for result in refused(every) if not result.help.startswith("try again")] == []
    assert ending(every) is Exit.AWS


@pytest.mark.thorough
@CONFIGS
def test_what_cannot_be_reached_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    with server(403, "AccessDenied") as url:
        every = results(monkeypatch, config, url, "http://127.0.0.1:9")

    assert not_unknown(refused(every)) == set()
    assert [result.name for result in refused(every) if "check the network" not in result.help] == []
