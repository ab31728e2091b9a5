"""Finds a runtime of a solution by its name."""

from generator.deploy.job import RefusedError
from generator.solution.model import Runtime, Solution


def named(solution: Solution, name: str) -> Runtime:
    """The runtime with this name. Raises RefusedError with the names that there are."""
    runtimes = {runtime.name: runtime for runtime in solution.runtimes}
    if name not in runtimes:
        raise RefusedError(f"the config has no runtime {name}: it has {', '.join(runtimes)}")
    return runtimes[name]
