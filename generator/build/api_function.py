"""The code of the functions: modules of api/ and the task contract, joined into one file for the template."""

import ast
import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from generator.solution import limits
from generator.solution.model import Runtime, Solution

# Below paths.root(), in the order in which they need each other.
FILES = (
    "agent/queue_agent/task/protocol.py",
    "agent/queue_agent/task/public_addresses.py",
    "agent/queue_agent/task/url_rules.py",
    "agent/queue_agent/task/output_rules.py",
    "agent/queue_agent/task/workflow.py",
    "agent/queue_agent/task/sdwebui.py",
    "agent/queue_agent/task/invokeai.py",
    "api/problem.py",
    "api/cors.py",
    "api/addresses.py",
    "api/webhook_urls.py",
    "api/webhook_signatures.py",
    "api/schema.py",
    "api/validation.py",
    "api/settings.py",
    "api/node_inputs.py",
    "api/node_checks.py",
    "api/node_lists.py",
    "api/sdwebui_fields.py",
    "api/content.py",
    "api/content_schema.py",
    "api/records.py",
    "api/sender.py",
    "api/index.py",
    "api/state.py",
    "api/waits.py",
    "api/tasks.py",
    "api/uploads.py",
    "api/listing.py",
    "api/discovery.py",
    "api/blake3.py",
    "api/multipart.py",
    "api/comfy_errors.py",
    "api/comfy_ids.py",
    "api/comfy_workflow.py",
    "api/comfy_documents.py",
    "api/comfy_assets.py",
    "api/comfy_jobs.py",
    "api/comfy_events.py",
    "api/comfy.py",
    "api/comfy_openapi.py",
    "api/openapi.py",
    "api/routes.py",
)
# Those of the function that sends webhooks.
WEBHOOK_FILES = (
    "agent/queue_agent/task/protocol.py",
    "agent/queue_agent/task/public_addresses.py",
    "api/records.py",
    "api/webhook_urls.py",
    "api/webhook_signatures.py",
    "api/webhook_calls.py",
    "api/webhooks.py",
)
# Longer settings are not kept as text that can be read in the template.
READABLE_BYTES = 20_000
OWN_PACKAGES = ("api", "queue_agent")
HEADER = "# Joined from api/*.py and the task contract by `generator build`: edit those files.\n"


def read(root: Path, files: Sequence[str] = FILES) -> dict[str, str]:
    """The text of each file by its path below `root`, in their order."""
    return {name: (root / name).read_text(encoding="utf-8") for name in files}


def joined(modules: Mapping[str, str], settings: str) -> str:
    """One file that does what the modules do together, in their order, for these settings."""
    parts = [HEADER, *map(_without_own_imports, modules.values())]
    return "\n".join([*parts, *_start(settings)])


def _start(settings: str) -> list[str]:
    """The last lines of the file. Settings of hundreds of runtimes are compressed: a template has 1 MB."""
    if len(settings) <= READABLE_BYTES:
        # repr() is a Python literal of any text, in ASCII and without a line break.
        return [f"handler = start({settings!a})\n"]
    packed = base64.b64encode(zlib.compress(settings.encode(), 9))
    unpacked = f"zlib.decompress(base64.b64decode({packed!r})).decode()"
    return ["import base64, zlib", f"handler = start({unpacked})\n"]


def settings(solution: Solution) -> str:
    """The function's settings as JSON: stack, topic, origins, runtimes with their buckets and models."""
    values = {
        "stack": solution.stack,
        "topic": solution.requests_topic_arn,
        "retention": {
            "records": limits.TASK_RECORD_DAYS * limits.DAY_SECONDS,
            "queue": limits.QUEUE_RETENTION_SECONDS,
        },
        "origins": solution.api.origins,
        "runtimes": {runtime.name: _runtime(runtime) for runtime in solution.runtimes},
    }
    return json.dumps(values, separators=(",", ":"))


def webhook_settings(solution: Solution) -> str:
    """The settings of the function that sends webhooks, as JSON."""
    buckets = {runtime.name: runtime.output_bucket for runtime in solution.runtimes}
    return json.dumps({"attempts": limits.WEBHOOK_ATTEMPTS, "buckets": buckets}, separators=(",", ":"))


def _runtime(runtime: Runtime) -> dict[str, str | float | list[str] | None]:
    return {
        "type": runtime.type,
        "bucket": runtime.output_bucket,
        "model": runtime.default_model,
        "model_file": None if runtime.dynamic_model else runtime.model_filename,
        "timeout": runtime.task_timeout_seconds,
        "queue_url": runtime.queue.url,
        "dead_letter_url": runtime.dead_letter_queue.url,
        "high_priority_url": high.url if (high := runtime.high_priority_queue) else "",
        "models_bucket": runtime.models.bucket if runtime.models.mounted else "",
        "models_prefix": runtime.models.prefix,
        "other_checkpoints": any(word.startswith("--ckpt-dir") for word in runtime.arguments),
        "image": runtime.runtime_image.name,
        "input_buckets": list(runtime.input_buckets),
    }


def _without_own_imports(text: str) -> str:
    """The module without imports of our other modules, whose names are in the same file."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OWN_PACKAGES:
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[number - 1] = ""
    return "\n".join(lines).strip() + "\n\n"
