"""Stand-ins for the charts of Karpenter, KEDA and the S3 CSI driver, which come from registries.

They have the names and versions of the real ones, take just the keys that these have, and show what they were
given.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from .conftest import BASE, Objects, Values, merged, template

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
_KEYS_OF_ALL = {"aws-mountpoint-s3-csi-driver": {"mountpointPod": {"createNamespace": True}}}
_SHOWN = """
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Chart.Name }}-was-given
data:
  version: {{ .Chart.Version }}
  values: {{ omit .Values "global" | toJson | quote }}
"""
_CRD = """{{- if .Values.crds.install }}
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: scaledobjects.keda.sh
spec: {group: keda.sh}
{{- end }}
"""


def _closed(values: Values) -> Values:
    """The schema that takes these keys and no others."""
    properties = {key: _closed(value) for key, value in values.items() if isinstance(value, dict) and value}
    properties |= {key: {} for key in values if key not in properties}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def stand_in(folder: Path, name: str, version: str) -> None:
    """A chart with the name, the version and the keys of a real one."""
    chart = folder / name
    (chart / "templates" / "crds").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": name, "version": version}))
    (chart / "values.yaml").write_text(yaml.safe_dump(KEYS[name]))
    helm_keys = {"enabled": True, "global": {}}
    keys = merged(KEYS[name], _KEYS_OF_ALL.get(name, {}))
    (chart / "values.schema.json").write_text(json.dumps(_closed(keys | helm_keys)))
    (chart / "templates" / "shown.yaml").write_text(_SHOWN)
    if name == "keda":
        (chart / "templates" / "crds" / "scaledobjects.yaml").write_text(_CRD)


VALUES: Values = {
    "global": BASE["global"],
    "karpenter": {"settings": {"clusterName": "demo", "interruptionQueue": "demo-karpenter-interruption"}},
    "sd-runtimes": {"defaults": BASE["defaults"], "runtimes": {"one": {}}},
}


def render(chart: Path, **over: Any) -> Objects:
    return template(str(chart), json.dumps(merged(VALUES, over)))


def received_values(objects: Objects, name: str) -> Values:
    return json.loads(objects[f"ConfigMap/{name}-was-given"]["data"]["values"])
