"""The umbrella: one release with Karpenter, KEDA, the S3 driver and the runtimes.

Their real charts come from registries that tests do without. Stand-ins with the same names and versions take
just the keys that the real charts have, and show what they were given.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from generator import paths, yaml_loader
from generator.deploy import chart_deps
from generator.facts.facts import Facts

from .conftest import BASE, ROOT, UMBRELLA, HelmError, Objects, Values, helm, merged, template

# The keys of the real charts at these versions that we set.
KEYS: dict[str, Values] = {
    "karpenter": {
        "serviceAccount": {"name": "", "annotations": {}},
        "settings": {"clusterName": "", "interruptionQueue": ""},
        "controller": {"resources": {}, "image": {"repository": "", "digest": ""}},
        "serviceMonitor": {"enabled": False, "additionalLabels": {}},
    },
    "keda": {
        "clusterName": "kubernetes-default",
        "crds": {"install": True},
        "image": {name: {"registry": ""} for name in ("keda", "metricsApiServer", "webhooks")},
        "podIdentity": {"aws": {"irsa": {"enabled": False, "roleArn": ""}}},
        "prometheus": {
            part: {"enabled": False, "serviceMonitor": {"enabled": False, "additionalLabels": {}}}
            for part in ("operator", "metricServer")
        },
    },
    "aws-mountpoint-s3-csi-driver": {
        "image": {"repository": ""},
        "node": {"tolerateAllTaints": False, "serviceAccount": {"name": "", "annotations": {}}},
        "sidecars": {
            "nodeDriverRegistrar": {"image": {"repository": ""}},
            "livenessProbe": {"image": {"repository": ""}},
        },
        "mountpointPod": {"namespace": "mount-s3", "priorityClassName": ""},
    },
}
# A key of version 2 of the driver's chart; version 1 ignores it.
KEYS_OF_ALL = {"aws-mountpoint-s3-csi-driver": {"mountpointPod": {"createNamespace": True}}}
SHOWN = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Chart.Name }}-was-given
data:
  version: {{ .Chart.Version }}
  values: {{ omit .Values "global" | toJson | quote }}
"""
CRD = """{{- if .Values.crds.install }}
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: scaledobjects.keda.sh
spec: {group: keda.sh}
{{- end }}
"""


def closed(values: Values) -> Values:
    """The schema that takes these keys and no others."""
    properties = {key: closed(value) for key, value in values.items() if isinstance(value, dict) and value}
    properties |= {key: {} for key in values if key not in properties}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def stand_in(folder: Path, name: str, version: str) -> None:
    """A chart with the name, the version and the keys of a real one."""
    chart = folder / name
    (chart / "templates" / "crds").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": version}))
    (chart / "values.yaml").write_text(yaml.safe_dump(KEYS[name]))
    helm_keys = {"enabled": True, "global": {}}
    keys = merged(KEYS[name], KEYS_OF_ALL.get(name, {}))
    (chart / "values.schema.json").write_text(json.dumps(closed(keys | helm_keys)))
    (chart / "templates" / "shown.yaml").write_text(SHOWN)
    if name == "keda":
        (chart / "templates" / "crds" / "scaledobjects.yaml").write_text(CRD)


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


VALUES: Values = {
    "global": BASE["global"],
    "karpenter": {"settings": {"clusterName": "demo", "interruptionQueue": "demo-karpenter-interruption"}},
    "sd-runtimes": {"defaults": BASE["defaults"], "runtimes": {"one": {}}},
}


def render(chart: Path, **over: Any) -> Objects:
    return template(str(chart), json.dumps(merged(VALUES, over)))


def received_values(objects: Objects, name: str) -> Values:
    return json.loads(objects[f"ConfigMap/{name}-was-given"]["data"]["values"])


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


FAKE_HELM = """#!/bin/sh
# Stands for the registries: `pull` packs a stand-in, the rest is Helm's own.
if [ "$1" = pull ]; then
  name=$(basename "$2")
  while [ "$1" != --destination ]; do shift; done
  cp '{stand_ins}'/"$name"-*.tgz "$2"
  exit
fi
exec '{helm}' "$@"
"""


def make_deps(tmp_path: Path, eks: str, *, digests_of_stand_ins: bool) -> subprocess.CompletedProcess[str]:
    """`make deps` in a copy of the project, with stand-ins for the real charts."""
    for part in ("charts", "generator"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.tgz", "crds"))
    table = json.loads((ROOT / "generator" / "facts" / "data" / "versions.json").read_text())
    row = dict(zip(table["columns"], table["eks"][eks], strict=True))
    columns = {"karpenter": "karpenter", "keda": "keda_chart", "aws-mountpoint-s3-csi-driver": "s3_csi"}
    for name, column in columns.items():
        stand_in(tmp_path / "sources", name, row[column])
        package = [helm(), "package", str(tmp_path / "sources" / name)]
        subprocess.run(
            [*package, "--destination", str(tmp_path / "stand-ins")], check=True, capture_output=True
        )
    if digests_of_stand_ins:
        archives = (tmp_path / "stand-ins").glob("*.tgz")
        digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in archives}
        (tmp_path / "generator/facts/data/charts.json").write_text(json.dumps({"sha256": digests}))
    fake = tmp_path / "bin" / "helm"
    fake.parent.mkdir()
    fake.write_text(FAKE_HELM.format(helm=helm(), stand_ins=tmp_path / "stand-ins"))
    fake.chmod(0o755)
    command = [sys.executable, "-m", "generator.deploy.chart_deps", "--eks", eks]
    env = {
        **os.environ,
        "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
    }
    return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)


@pytest.mark.thorough
@pytest.mark.parametrize(("eks", "keda"), [("1.28", "2.15.2"), ("1.34", "2.20.2")])
def test_make_deps_fills_the_chart_for_each_row(tmp_path: Path, eks: str, keda: str) -> None:
    done = make_deps(tmp_path, eks, digests_of_stand_ins=True)
    assert done.returncode == 0, done.stderr
    chart = tmp_path / done.stdout.strip().splitlines()[-1]
    assert chart.parts[-1] == "sd-on-eks"
    assert (chart / "charts" / f"keda-{keda}.tgz").exists()
    crds = list(yaml_loader.load_all((chart / "crds" / "keda.yaml").read_text()))
    assert [dependency["metadata"]["name"] for dependency in crds] == ["scaledobjects.keda.sh"]
    assert "Deployment/one" in render(chart)


def test_a_chart_with_another_digest_is_refused_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    done = make_deps(tmp_path, "1.34", digests_of_stand_ins=False)
    assert done.returncode == 3
    assert (
        "aws-mountpoint-s3-csi-driver-2.7.0.tgz is not the chart that this version was tested with"
        in done.stderr
    )
    assert not list(tmp_path.rglob("sd-on-eks/**/keda-*.tgz"))


PULL_ANYTHING = """#!/bin/sh
# Stands for the registries: `pull` writes an archive that holds its own name.
[ "$1" = pull ] || exit 1
name=$(basename "$2")
while [ "$1" != --version ]; do shift; done
version=$2
while [ "$1" != --destination ]; do shift; done
echo "$name $version" > "$2/$name-$version.tgz"
"""


@pytest.mark.parametrize("changed", [False, True])
def test_digests_are_recorded_for_every_chart_and_never_replaced(tmp_path: Path, changed: bool) -> None:
    for part in ("charts/sd-on-eks", "generator", "tools"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("*.tgz", "crds"))
    facts, record = Facts(paths.data()), tmp_path / "generator/facts/data/charts.json"
    rows = [chart_deps.chart_versions(facts.versions(eks)) for eks in facts.eks_versions()]
    digests = {
        f"{name}-{version}.tgz": hashlib.sha256(f"{name} {version}\n".encode()).hexdigest()
        for row in rows
        for name, version in row.items()
    }
    karpenter = next(name for name in digests if name.startswith("karpenter-"))
    before = json.dumps({"sha256": {karpenter: "0" * 64 if changed else digests[karpenter]}})
    record.write_text(before)
    fake = tmp_path / "bin" / "helm"
    fake.parent.mkdir()
    fake.write_text(PULL_ANYTHING)
    fake.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
    }

    done = subprocess.run(
        [sys.executable, "tools/chart_digests.py"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode != 0) is changed, done.stderr
    if changed:
        assert f"not the archives on record: {karpenter}" in done.stderr
        assert record.read_text() == before
    else:
        assert json.loads(record.read_text())["sha256"] == digests


@pytest.mark.parametrize("eks", Facts(paths.data()).eks_versions())
def test_every_chart_that_publishes_a_digest_has_it_on_record(eks: str) -> None:
    facts = Facts(paths.data())
    charts = chart_deps.chart_versions(facts.versions(eks))
    del charts["karpenter"]  # SECURITY.md: recorded by `make chart-digests`
    assert {f"{name}-{version}.tgz" for name, version in charts.items()} <= facts.chart_digests().keys()


def test_a_version_of_eks_that_is_not_in_the_table_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "generator.deploy.chart_deps", "--eks", "1.20"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("EKS 1.20 is not supported: use 1.28, ")


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
