"""The umbrella: one release with Karpenter, KEDA, the S3 driver and the runtimes.

Their real charts come from registries; the tests use the stand-ins of `stand_ins.py`.
"""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from generator import yaml_loader

from .conftest import ROOT, UMBRELLA, HelmError, Values, merged, template
from .stand_ins import KEYS, received_values, render, stand_in


@pytest.fixture(scope="module")
def dependencies() -> list[Values]:
    return list(yaml_loader.load((UMBRELLA / "Chart.yaml").read_text())["dependencies"])


@pytest.fixture(scope="module")
def umbrella(tmp_path_factory: pytest.TempPathFactory, dependencies: list[Values]) -> Path:
    """The umbrella as `make deps` leaves it."""
    root = tmp_path_factory.mktemp("umbrella")
    shutil.copytree(ROOT / "charts", root / "charts", ignore=shutil.ignore_patterns("*.tgz", "crds"))
    chart = root / "charts" / "sd-on-eks"
    shutil.rmtree(chart / "charts", ignore_errors=True)
    for dependency in dependencies:
        if dependency["name"] in KEYS:
            stand_in(chart / "charts", dependency["name"], dependency["version"])
    shutil.copytree(root / "charts" / "sd-runtimes", chart / "charts" / "sd-runtimes")
    (chart / "crds").mkdir()
    (chart / "crds" / "keda.yaml").write_text("# as `make deps` writes it\n")
    return chart


def test_one_release_holds_operators_and_runtimes(umbrella: Path) -> None:
    rendered = render(umbrella)
    assert {f"ConfigMap/{name}-was-given" for name in KEYS} <= rendered.keys()
    assert {"Deployment/one", "ScaledObject/one", "NodePool/demo-one"} <= rendered.keys()


def test_versions_are_exact_and_those_of_the_oldest_kubernetes(dependencies: list[Values]) -> None:
    table = json.loads((ROOT / "generator" / "facts" / "data" / "versions.json").read_text())
    row = dict(zip(table["columns"], table["eks"]["1.28"], strict=True))
    assert {dependency["name"]: dependency["version"] for dependency in dependencies} == {
        "karpenter": row["karpenter"],
        "keda": row["keda_chart"],
        "aws-mountpoint-s3-csi-driver": row["s3_csi"],
        "sd-runtimes": yaml_loader.load((ROOT / "charts/sd-runtimes/Chart.yaml").read_text())["version"],
    }


def test_a_fresh_cluster_gets_no_crd_from_a_template(umbrella: Path) -> None:
    rendered = render(umbrella)
    assert received_values(rendered, "keda")["crds"] == {"install": False}
    assert not rendered.kinds("CustomResourceDefinition")


def test_the_driver_runs_on_tainted_nodes(umbrella: Path) -> None:
    assert (
        received_values(render(umbrella), "aws-mountpoint-s3-csi-driver")["node"]["tolerateAllTaints"] is True
    )


@pytest.fixture
def with_pods(umbrella: Path, tmp_path: Path) -> Path:
    """The umbrella with version 2 of the S3 CSI driver."""
    chart = tmp_path / "sd-on-eks"
    shutil.copytree(umbrella, chart)
    for file in (chart / "Chart.yaml", chart / "charts" / "aws-mountpoint-s3-csi-driver" / "Chart.yaml"):
        file.write_text(file.read_text().replace("1.15.0", "2.7.0"))
    return chart


def test_no_uninstall_deletes_the_namespace_of_the_mounts(with_pods: Path) -> None:
    [namespace] = render(with_pods).kinds("Namespace")
    assert namespace["metadata"]["name"] == "mount-s3"
    assert namespace["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    given = received_values(render(with_pods), "aws-mountpoint-s3-csi-driver")["mountpointPod"]
    assert (given["namespace"], given["createNamespace"]) == ("mount-s3", False)


def test_without_version_2_of_the_driver_there_is_no_namespace_of_mounts(
    umbrella: Path, with_pods: Path
) -> None:
    assert render(umbrella).kinds("Namespace") == []
    off = render(with_pods, **{"aws-mountpoint-s3-csi-driver": {"enabled": False}})
    assert off.kinds("Namespace") == []


def test_operators_get_the_accounts_that_their_roles_trust(umbrella: Path) -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/x"}
    rendered = render(
        umbrella,
        karpenter={"serviceAccount": {"annotations": role}},
        keda={"podIdentity": {"aws": {"irsa": {"enabled": True, "roleArn": "arn"}}}},
    )
    assert received_values(rendered, "karpenter")["serviceAccount"] == {
        "name": "karpenter",
        "annotations": role,
    }
    assert received_values(rendered, "keda")["podIdentity"]["aws"]["irsa"]["roleArn"] == "arn"


@pytest.mark.parametrize("name", [*KEYS, "sd-runtimes"])
def test_each_part_can_be_left_out(umbrella: Path, name: str) -> None:
    rendered = render(umbrella, **{name: {"enabled": False}})
    key = "Deployment/one" if name == "sd-runtimes" else f"ConfigMap/{name}-was-given"
    assert key not in rendered
    assert len(rendered) >= 3


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"keda": {"crds": {"install": True}}}, "keda.crds.install: a new cluster rejects"),
        (
            {"aws-mountpoint-s3-csi-driver": {"node": {"tolerateAllTaints": False}}},
            "tolerateAllTaints: the driver would not run",
        ),
        (
            {"aws-mountpoint-s3-csi-driver": {"mountpointPod": {"createNamespace": True}}},
            "createNamespace: the driver's chart would delete the namespace",
        ),
        ({"karpenter": {"settings": {"clusterName": ""}}}, "clusterName is empty"),
        ({"karpentre": {}}, "Additional property karpentre is not allowed"),
        ({"sd-runtimes": {"runtime": {}}}, "Additional property runtime is not allowed"),
        ({"sd-runtimes": {"runtimes": {"one": {"modelFilename": ""}}}}, "modelFilename is empty"),
    ],
)
def test_what_would_not_work_is_refused(umbrella: Path, over: Values, message: str) -> None:
    with pytest.raises(HelmError, match=message):
        render(umbrella, **over)


def test_missing_crds_are_refused_before_the_cluster_does(umbrella: Path, tmp_path: Path) -> None:
    bare = tmp_path / "sd-on-eks"
    shutil.copytree(umbrella, bare, ignore=shutil.ignore_patterns("crds"))
    with pytest.raises(HelmError, match="run `make deps`"):
        render(bare)
    assert render(bare, keda={"enabled": False})


def test_values_files_of_the_generator_fit(umbrella: Path) -> None:
    from generator.build import values as chart_values
    from generator.solution.context import Context
    from testing import solving

    config = {
        "stackName": "demo",
        "modelBucketArn": "arn:aws:s3:::demo-models",
        "imageRegistry": "mirror.example.com",
        "modelsRuntime": [
            {"name": "one", "type": "comfyui"},
            {"name": "two", "type": "invokeai", "namespace": "pictures"},
        ],
    }
    solution = solving.solution(config, Context("us-west-2", "123456789012", date(2026, 1, 1)))
    values: Values = {}
    for text in chart_values.umbrella(solution).values():
        values = merged(values, yaml_loader.load(text))
    rendered = template(str(umbrella), json.dumps(values))
    assert {"Deployment/one", "Deployment/two", "Namespace/pictures"} <= rendered.keys()
    assert received_values(rendered, "karpenter")["settings"]["clusterName"] == "demo"


@pytest.mark.parametrize("enabled", [True, False])
def test_the_notes_of_the_release_are_those_of_the_runtimes(
    umbrella: Path, tmp_path: Path, enabled: bool
) -> None:
    chart = tmp_path / "sd-on-eks"
    shutil.copytree(umbrella, chart)
    text = (chart / "templates" / "NOTES.txt").read_text()
    (chart / "templates" / "_shown.tpl").write_text('{{ define "shown" }}' + text + "{{ end }}")
    (chart / "templates" / "shown.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"
        'data: {text: {{ include "shown" . | quote }}}\n'
    )
    rendered = render(chart, **{"sd-runtimes": {"enabled": enabled}})
    assert ("aws sns publish" in rendered["ConfigMap/notes"]["data"]["text"]) is enabled
