"""What each answer of AWS means: judged without AWS, for answers that no emulator gives."""

from dataclasses import replace

import pytest

from generator.aws.identity import Identity
from generator.facts import image_reference, quotas
from generator.preflight import credentials, models, places, registry, rights, snapshots, spot, taken
from generator.preflight.places import Zone
from generator.preflight.result import CheckStatus
from generator.preflight.snapshots import Snapshot
from generator.solution.model import Solution
from testing import solving
from tests.preflight.conftest import Sandbox


@pytest.fixture
def solution(sandbox: Sandbox) -> Solution:
    return sandbox.subject({}).solution


def test_a_region_that_is_switched_off_fails_with_the_command() -> None:
    [result] = places.judge_region("ap-east-1", "not-opted-in")

    assert result.status is CheckStatus.FAILED
    assert "enable-region --region-name ap-east-1" in result.help


def test_a_region_that_aws_does_not_know_fails() -> None:
    [result] = places.judge_region("us-west-9", "")

    assert result.status is CheckStatus.FAILED


ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
OTHER_ZONES = [Zone("us-east-1b", "use1-az2", True), Zone("us-east-1d", "use1-az5", True)]


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (Zone("us-east-1a", "use1-az3", True), "use1-az3 in this account, where EKS has no control plane"),
        (Zone("us-east-1a", "use1-az1", False), "us-east-1a is not available"),
        (Zone("us-east-1e", "use1-az1", True), "us-east-1a is not in this account"),
    ],
    ids=["no EKS", "unavailable", "absent"],
)
def test_a_zone_that_cannot_be_used_fails_with_those_that_can(first: Zone, message: str) -> None:
    [result] = places.judge_zones(ZONES, [first, *OTHER_ZONES, Zone("us-east-1c", "use1-az4", True)])

    assert result.status is CheckStatus.FAILED
    assert message in result.message
    assert "us-east-1b, us-east-1d, us-east-1c" in result.help


def test_a_region_without_three_zones_cannot_be_fixed() -> None:
    [result] = places.judge_zones(ZONES, OTHER_ZONES)

    assert result.help == "choose another region: only 2 zones of this one can be used"


def test_some_types_that_are_not_offered_are_a_warning_and_no_controllers_a_failure(
    solution: Solution,
) -> None:
    plans = solving.plan(solution).runtimes
    names = [option.instance_type for option in plans[0].options]
    offered = dict.fromkeys(names, frozenset(solution.zones))
    first = next(iter(offered))

    runtime, controllers = places.judge_offers(
        solution, plans, [solution.zones], {**offered, first: frozenset(), "m7g.large": frozenset()}
    )

    assert (runtime.status, controllers.status) == (CheckStatus.WARNING, CheckStatus.FAILED)
    assert runtime.message == f"{first} not offered here; the others are"


def test_a_type_must_be_offered_where_the_nodes_may_be(solution: Solution) -> None:
    plans = solving.plan(solution).runtimes
    names = [option.instance_type for option in plans[0].options]
    offered = {**dict.fromkeys(names, frozenset({"us-east-1b"})), "m7g.large": frozenset(solution.zones)}

    def status(*zones: str) -> CheckStatus:
        return next(places.judge_offers(solution, plans, [zones], offered)).status

    assert status("us-east-1a") is CheckStatus.FAILED
    assert status("us-east-1a", "us-east-1b") is CheckStatus.PASSED
    # Subnets of the user's, in zones that nobody knows.
    assert status() is CheckStatus.PASSED


def test_models_of_another_region_fail(solution: Solution) -> None:
    [result] = models.judge_bucket(solution, "models", "eu-west-1")

    assert (result.status, result.message) == (CheckStatus.FAILED, "it is in eu-west-1, not us-east-1")


def test_a_dynamic_runtime_without_any_checkpoint_is_a_warning(solution: Solution) -> None:
    dynamic = replace(solution.runtimes[0], model_filename=None, dynamic_model=True)

    [result] = models.judge_model(dynamic, models.Mount("models"), models.Checkpoints(False, ()))

    assert result.status is CheckStatus.WARNING


def test_the_command_that_copies_a_checkpoint_keeps_folder_and_spaces(solution: Solution) -> None:
    runtime = replace(solution.runtimes[0], type="sdwebui", model_filename="v2/my model.ckpt")

    [result] = models.judge_model(runtime, models.Mount("models"), models.Checkpoints(False, ()))

    assert result.status is CheckStatus.FAILED
    assert "aws s3 cp 'my model.ckpt' 's3://models/Stable-diffusion/v2/my model.ckpt'" in result.help


def test_a_snapshot_that_is_not_complete_fails() -> None:
    [result] = snapshots.judge("snap-1", 100, Snapshot("pending", 50))

    assert (result.status, result.message) == (CheckStatus.FAILED, "its state is pending")


def test_a_snapshot_that_fits_passes() -> None:
    [result] = snapshots.judge("snap-1", 100, Snapshot("completed", 100))

    assert result.status is CheckStatus.PASSED


def test_an_image_without_a_registry_fails_and_public_ones_are_not_checked() -> None:
    bare, public = registry.judge_elsewhere(
        [
            image_reference.parse(name)
            for name in ("sd-on-eks/queue-agent:0.1.0", "ghcr.io/kedacore/keda:2.20.2")
        ]
    )

    assert (bare.name, bare.status) == ("sd-on-eks/queue-agent:0.1.0", CheckStatus.FAILED)
    assert public.status is CheckStatus.NOT_ASKED


def test_a_bucket_name_that_another_account_has_fails() -> None:
    [result] = taken.judge("bucket", "demo-one", "another's")

    assert result.status is CheckStatus.FAILED
    assert "another `stackName`" in result.help


def test_credentials_of_another_partition_fail(solution: Solution) -> None:
    [result] = credentials.judge(solution, Identity(f"arn:aws-cn:iam::{solution.account}:user/a"))

    assert (result.status, result.message) == (
        CheckStatus.FAILED,
        f"arn:aws-cn:iam::{solution.account}:user/a is not in partition aws",
    )


def test_a_missing_spot_role_fails_only_where_spot_is_the_only_market() -> None:
    [optional], [required] = spot.judge(False, False), spot.judge(True, False)

    assert (optional.status, required.status) == (CheckStatus.WARNING, CheckStatus.FAILED)


def test_a_simulated_request_has_the_resource_and_context_of_the_real_one() -> None:
    request = rights.simulated(
        rights.Question(("iam:PassRole",), "arn:aws:iam::1:role/demo-*", (("k", "v"),))
    )

    assert request["ResourceArns"] == ["arn:aws:iam::1:role/demo-x"]
    assert request["ContextEntries"] == [
        {"ContextKeyName": "k", "ContextKeyValues": ["v"], "ContextKeyType": "string"}
    ]


@pytest.mark.parametrize(
    ("region", "suffix", "host"),
    [
        ("us-west-2", "amazonaws.com", "us-west-2.console.aws.amazon.com"),
        ("cn-north-1", "amazonaws.com.cn", "cn-north-1.console.amazonaws.cn"),
    ],
)
def test_the_link_leads_to_the_quota_in_the_partitions_console(region: str, suffix: str, host: str) -> None:
    link = quotas.console_link(quotas.VPCS, region, suffix)

    assert link == f"https://{host}/servicequotas/home/services/vpc/quotas/L-F678F1CE"
