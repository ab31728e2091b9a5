"""The queue agent's own settings and parsers, loaded from agent/queue_agent/settings.py.

That file, its parsers and the task contract need only the standard library, and are part of the wheel.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# Not `queue_agent`: where the agent is installed too, that name is its own package.
_NAME = "generator_queue_agent"


@dataclass(frozen=True)
class AgentSettings:
    """What the queue agent reads of its environment.

    `descriptions`: variable -> its description. `expected`: what the agent expects of a variable, as a noun,
    when it refuses a value; None when it accepts the value.
    """

    descriptions: Mapping[str, str]
    expected: Callable[[str, str], str | None]


def load(root: Path) -> AgentSettings:
    """Load the agent's parsers from the clone, or from the wheel's copy of it."""
    folder = root / "agent" / "queue_agent"
    spec = spec_from_file_location(_NAME, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder)
    package = sys.modules[_NAME] = module_from_spec(spec)
    spec.loader.exec_module(package)
    settings = import_module(f"{_NAME}.settings")
    return AgentSettings(settings.variables(), settings.expected)
