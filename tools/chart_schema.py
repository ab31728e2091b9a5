"""Write charts/sd-runtimes/values.schema.json from values-schema.json.

The chart's schema contains the schema of one runtime, for `defaults` and for each entry of `runtimes`, and
that of the values that describe the whole solution.
"""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "values-schema.json"
TARGET = ROOT / "charts" / "sd-runtimes" / "values.schema.json"
# Helm does not show examples, and older parsers expect a schema there.
DROPPED = {"examples"}
# The keys of an entry other than `karpenter` and `runtime`; they have the same names in the config.
ENTRY_KEYS = ("namespace", "type", "modelFilename", "dynamicModel")

Schema = dict[str, Any]


def chart_schema(source: Schema) -> Schema:
    """The schema of the chart's values."""
    definitions = source["definitions"]
    entry = definitions["modelsRuntime"]["properties"]
    name = entry["name"]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart sd-runtimes",
        "$comment": "Generated from values-schema.json by `make chart-docs`; edit that file, not this one.",
        **_closed(
            enabled={"type": "boolean"},
            createNamespaces={"type": "boolean"},
            logs=_logs(definitions["runtime"]),
            gpuMetrics=_gpu_metrics(definitions["runtime"]),
            monitors=_bare(source["properties"]["observability"]["properties"]["monitors"]),
            defaults={"$ref": "#/definitions/entry"},
            runtimes={
                "type": "object",
                "propertyNames": {"pattern": name["pattern"], "maxLength": name["maxLength"]},
                "additionalProperties": {"$ref": "#/definitions/entry"},
            },
            **{"global": _global(source["properties"])},
        ),
        "definitions": {
            "entry": _closed(
                **{key: _bare(entry[key]) for key in ENTRY_KEYS},
                karpenter={"$ref": "#/definitions/karpenter"},
                runtime={"$ref": "#/definitions/runtime"},
            ),
            "karpenter": _bare(definitions["karpenter"]),
            "runtime": _bare(definitions["runtime"]),
        },
    }


def _global(top: Schema) -> Schema:
    """The schema of `global`. Values that are required may be empty here: a guard gives a better message."""
    required = {
        key: {**_bare(top[key]), "pattern": f"^$|{top[key]['pattern']}"}
        for key in ("stackName", "region", "accountId")
    }
    key, cluster = top["kmsKeys"]["properties"]["volumes"], top["existingCluster"]["properties"]
    return _closed(
        **required,
        clusterName={"type": "string", "pattern": f"^$|{cluster['name']['pattern']}"},
        autoMode={"type": "boolean"},
        imageRegistry=_bare(top["imageRegistry"]),
        podIdentity=_bare(top["podIdentity"]),
        volumeKmsKeyArn={"type": "string", "pattern": f"^$|{key['pattern']}"},
        eksVersion={"type": "string", "pattern": r"^1\.[0-9]+$"},
        tags=_bare(top["tags"]),
        partition={"type": "string", "enum": ["aws", "aws-cn"]},
        dnsSuffix={"type": "string", "enum": ["amazonaws.com", "amazonaws.com.cn"]},
        awsEndpoint={"type": "string", "pattern": "^(https?://[^ ]+)?$"},
        # KEDA's: Helm passes `global` to every chart of an umbrella chart.
        image={"type": "object"},
    )


def _logs(runtime: Schema) -> Schema:
    """The schema of `logs`."""
    return _closed(
        enabled={"type": "boolean"},
        logGroup={"type": "string"},
        serviceAccountRoleArn=_bare(runtime["properties"]["serviceAccountRoleArn"]),
        **_container(runtime),
    )


def _gpu_metrics(runtime: Schema) -> Schema:
    """The schema of `gpuMetrics`."""
    return _closed(enabled={"type": "boolean"}, **_container(runtime))


def _container(runtime: Schema) -> dict[str, Schema]:
    """The schemas of a container's image and resources: those of the queue agent."""
    agent = runtime["properties"]["queueAgent"]["properties"]
    return {key: _bare(agent[key]) for key in ("image", "resources")}


def _closed(**properties: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _bare(node: Any) -> Any:
    """`node` without the keywords that only the generator reads."""
    if isinstance(node, list):
        return [_bare(item) for item in node]
    if not isinstance(node, dict):
        return node
    bare: Schema = {}
    for key, value in node.items():
        if key == "properties":
            bare[key] = {name: _bare(schema) for name, schema in value.items()}
        elif key not in DROPPED and not key.startswith("x-"):
            bare[key] = _bare(value)
    return bare


def text() -> str:
    """The up-to-date text of the file."""
    source = json.loads(SOURCE.read_text(encoding="utf-8"))
    return json.dumps(chart_schema(source), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if TARGET.read_text(encoding="utf-8") != text():
            sys.exit(f"{TARGET} is out of date: run `make chart-docs`")
        sys.exit()
    TARGET.write_text(text(), encoding="utf-8")
