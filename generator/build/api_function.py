"""The code of the HTTP API's function: api/, joined into the one file that a template can hold."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path

from generator.solution.model import Runtime, Solution

# In the order in which they need each other. The first line of defence is a test that runs the joined file.
MODULES = ("problem", "schema", "validation", "settings", "openapi", "records", "tasks", "routes")
HEADER = "# Joined from api/*.py by `generator build`: edit those files, not this one.\n"


def read(folder: Path) -> dict[str, str]:
    """The modules' text."""
    return {name: (folder / f"{name}.py").read_text(encoding="utf-8") for name in MODULES}


def joined(modules: Mapping[str, str], settings: str) -> str:
    """One file that does what the modules do together, for these settings."""
    parts = [HEADER, *(_without_own_imports(modules[name]) for name in MODULES)]
    # repr() is a Python literal of any text, in ASCII and without a line break.
    return "\n".join([*parts, f"handler = start({settings!a})\n"])


def settings(solution: Solution) -> str:
    """What the function must know of the solution, as JSON."""
    known = {
        "stack": solution.stack,
        "topic": solution.requests_topic_arn,
        "runtimes": {runtime.name: _runtime(runtime) for runtime in solution.runtimes},
    }
    return json.dumps(known, separators=(",", ":"))


def _runtime(runtime: Runtime) -> dict[str, str | None]:
    static = runtime.type == "sdwebui" and not runtime.dynamic_model
    return {
        "type": runtime.type,
        "bucket": runtime.output_bucket,
        "model": runtime.model_filename if static else None,
    }


def _without_own_imports(text: str) -> str:
    """The module without its imports of other modules of api/, whose names are in the same file."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "api":
            for number in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                lines[number - 1] = ""
    return "\n".join(lines).strip() + "\n\n"
