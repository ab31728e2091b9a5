"""Values files: what follows from names, overridden by what the user sets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import yaml_loader
from generator.build import values as chart_values
from generator.build.files import RUNTIMES_ALONE
from generator.deploy import charts, helm
from generator.solution import names
from generator.solution.model import Solution

Solve = Callable[..., Solution]
Object = dict[str, Any]


def runtime_values(solution: Solution) -> Object:
    text = chart_values.umbrella(solution)["values/sdxl.yaml"]
    values: Object = yaml_loader.load(text)["sd-runtimes"]["runtimes"]["sdxl"]
    return values


def platform_values(solution: Solution) -> Object:
    values: Object = yaml_loader.load(chart_values.umbrella(solution)["values/platform.yaml"])
    return values


def rendered(solution: Solution, files: dict[str, str] | None = None) -> dict[str, Object]:
    """The manifests of the runtimes' chart by `Kind/name`, from real Helm."""
    chart = charts.folder(RUNTIMES_ALONE)
    text = helm.template("demo", chart, solution.versions.eks, files or chart_values.runtimes_alone(solution))
    objects = (document for document in yaml_loader.load_all(text) if document)
    return {f"{document['kind']}/{document['metadata']['name']}": document for document in objects}


def test_a_runtime_gets_its_queue_bucket_topic_and_roles(solve: Solve) -> None:
    solution = solve()

    values = runtime_values(solution)

    runtime = solution.runtimes[0]
    assert values["runtime"]["queueAgent"] == {
        "s3Bucket": runtime.output_bucket,
        "snsTopicArn": solution.results_topic_arn,
        "sqsQueueUrl": runtime.queue.url,
        "deadLetterQueueUrl": runtime.dead_letter_queue.url,
    }
    assert values["runtime"]["serviceAccountRoleArn"] == runtime.role_arn
    assert values["karpenter"]["nodeTemplate"]["iamRole"] == "demo-karpenter-node"
    assert values["runtime"]["persistence"]["s3"]["modelBucket"] == "demo-models"


def test_the_ami_is_the_one_of_the_table_of_versions(solve: Solve) -> None:
    solution = solve(eksVersion="1.34")

    values = runtime_values(solution)

    assert values["karpenter"]["nodeTemplate"]["amiVersion"] == solution.versions.bottlerocket


def test_an_empty_text_does_not_wipe_out_a_generated_name(solve: Solve) -> None:
    values = runtime_values(solve(extra={"runtime": {"queueAgent": {"s3Bucket": ""}}}))

    assert values["runtime"]["queueAgent"]["s3Bucket"] == "demo-sdxl-123456789012-us-west-2"


def test_the_runtimes_chart_alone_reads_its_values_at_the_top(solve: Solve) -> None:
    values = yaml_loader.load(chart_values.runtimes_alone(solve())["values/sdxl.yaml"])

    assert set(values) == {"global", "gpuMetrics", "logs", "monitors", "runtimes"}
    assert values["logs"]["logGroup"] == "/sd-on-eks/demo/pods"


def queue(solution: Solution, files: dict[str, str] | None = None) -> tuple[str, str]:
    """The queue that the pods and KEDA read, and the polling interval."""
    trigger = rendered(solution, files)["ScaledObject/sdxl"]["spec"]
    return trigger["triggers"][0]["metadata"]["queueURL"], str(trigger["pollingInterval"])


def test_the_generator_wins_over_the_chart_and_the_chart_fills_the_rest(solve: Solve) -> None:
    solution = solve()

    assert queue(solution) == (solution.runtimes[0].queue.url, "5")


def test_the_user_wins_over_the_generator_and_over_the_chart(solve: Solve) -> None:
    own = "https://sqs.us-west-2.amazonaws.com/123456789012/own"
    extra = {"runtime": {"queueAgent": {"sqsQueueUrl": own}, "scaling": {"pollingInterval": 20}}}

    assert queue(solve(extra=extra)) == (own, "20")


def test_a_users_own_values_file_wins_over_all(solve: Solve) -> None:
    solution = solve(extra={"runtime": {"scaling": {"pollingInterval": 20}}})
    own = {"runtimes": {"sdxl": {"runtime": {"scaling": {"pollingInterval": 30}}}}}
    files = {**chart_values.runtimes_alone(solution), "values/zz-own.yaml": yaml.safe_dump(own)}

    assert queue(solution, files)[1] == "30"


@pytest.mark.thorough
@pytest.mark.parametrize("registry", ["", "mirror.example.com/all"])
@pytest.mark.parametrize("kind", ["sdwebui", "comfyui", "invokeai"])
def test_the_chart_pulls_the_images_that_the_solution_names(solve: Solve, kind: str, registry: str) -> None:
    filename = "sdxl.safetensors" if kind == "sdwebui" else ""
    solution = solve(imageRegistry=registry, runtime={"type": kind, "modelFilename": filename})

    containers = rendered(solution)["Deployment/sdxl"]["spec"]["template"]["spec"]["containers"]

    runtime = solution.runtimes[0]
    # The checkpoint of a static SD WebUI is downloaded by a container of its own.
    loader = {"model-loader": runtime.agent_image.name} if kind == "sdwebui" else {}
    assert {container["name"]: container["image"] for container in containers} == {
        "runtime": runtime.runtime_image.name,
        "queue-agent": runtime.agent_image.name,
        **loader,
    }


def test_each_operator_gets_the_role_that_trusts_its_service_account(solve: Solve) -> None:
    values = platform_values(solve())

    role = "arn:aws:iam::123456789012:role/demo-"
    key = "eks.amazonaws.com/role-arn"
    account = values["karpenter"]["serviceAccount"]
    assert account == {"name": "karpenter", "annotations": {key: f"{role}karpenter-controller"}}
    assert values["keda"]["podIdentity"]["aws"]["irsa"] == {
        "enabled": True,
        "roleArn": f"{role}keda-operator",
    }
    account = values["aws-mountpoint-s3-csi-driver"]["node"]["serviceAccount"]
    assert account == {"name": "s3-csi-driver-sa", "annotations": {key: f"{role}s3-csi-driver"}}


def test_karpenter_knows_its_cluster_and_its_interruption_queue(solve: Solve) -> None:
    settings = platform_values(solve())["karpenter"]["settings"]

    assert settings == {"clusterName": "demo", "interruptionQueue": names.interruption_queue("demo")}


def test_keda_leaves_its_crds_to_the_umbrella(solve: Solve) -> None:
    assert platform_values(solve())["keda"]["crds"] == {"install": False}


def test_the_models_driver_runs_on_tainted_gpu_nodes(solve: Solve) -> None:
    assert platform_values(solve())["aws-mountpoint-s3-csi-driver"]["node"]["tolerateAllTaints"] is True


def test_with_a_mirror_every_platform_image_comes_from_it(solve: Solve) -> None:
    values = platform_values(solve(imageRegistry="mirror.example.com"))

    images = [
        values["karpenter"]["controller"]["image"]["repository"],
        *(part["registry"] for part in values["keda"]["image"].values()),
        values["aws-mountpoint-s3-csi-driver"]["image"]["repository"],
        *(
            part["image"]["repository"]
            for part in values["aws-mountpoint-s3-csi-driver"]["sidecars"].values()
        ),
    ]
    assert len(images) == 7
    assert all(image.startswith("mirror.example.com") for image in images)


def test_without_a_mirror_the_charts_keep_their_own_images(solve: Solve) -> None:
    text = yaml.safe_dump({**platform_values(solve()), "global": {}})

    assert "image" not in text


def test_a_bucket_of_models_in_china_is_named_without_its_arn(solve: Solve, tmp_path: Path) -> None:
    solution = solve(region="cn-north-1", modelBucketArn="arn:aws-cn:s3:::models")

    assert runtime_values(solution)["runtime"]["persistence"]["s3"]["modelBucket"] == "models"


@pytest.mark.parametrize(
    ("eks", "values"),
    [("1.28", None), ("1.29", "system-node-critical"), ("1.36", "system-node-critical")],
)
def test_karpenter_ends_the_mounts_of_models_after_the_tasks(
    solve: Solve, eks: str, values: str | None
) -> None:
    driver = platform_values(solve(eksVersion=eks))["aws-mountpoint-s3-csi-driver"]

    # pkg/controllers/node/termination/terminator/terminator.go of Karpenter, v1.8 to v1.14: pods of the two
    # system classes are evicted when no other pod is left.
    assert driver.get("mountpointPod") == (values and {"priorityClassName": values})
