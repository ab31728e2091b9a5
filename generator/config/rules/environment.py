"""Variables that extraEnv sets: those of the queue agent by its own parsers, and the values of all."""

from collections import Counter
from collections.abc import Iterator

from generator.config.node import ConfigNode
from generator.config.rules.base import (
    WARNING,
    Case,
    Finding,
    agent,
    environment,
    inference,
    rule,
)
from generator.config.schema import nearest

# What libraries in the agent's image read: Python and the C library, botocore, OpenTelemetry.
LIBRARY_PREFIXES = ("AWS_", "BOTO_", "OTEL_", "PYTHON", "SSL_CERT_", "LC_", "MALLOC_", "LD_", "GLIBC_")
LIBRARY_NAMES = frozenset(
    {"HOME", "LANG", "LANGUAGE", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "PATH", "TMPDIR", "TZ"}
)

# What the reference system's queue agent reads -> what there is instead.
_COLLECTOR = "remove it: with queueAgent.xray.enabled, traces go to the collector in the pod"
OF_THE_REFERENCE_SYSTEM = {
    "API_BASE_URL": "remove it: the agent calls the runtime in its own pod, at RUNTIME_URL",
    "AWS_XRAY_DAEMON_ADDRESS": _COLLECTOR,
    "AWS_XRAY_CONTEXT_MISSING": _COLLECTOR,
}

# Helm reads numbers as 64-bit floats, which keep 15 digits.
HELM_DIGITS = 15


@rule("SD940")
def agent_accepts_its_environment(case: Case) -> Iterator[Finding]:
    """The queue agent must accept the values that extraEnv gives its variables, or it does not start."""
    settings = case.facts.agent_settings
    for runtime in case.runtimes:
        for variable in environment(agent(runtime)):
            name, text = variable.name, variable.text or ""
            if name in settings.descriptions and (expected := settings.expected(name, text)):
                message = f"the queue agent would not start: its {name} is {text!r}"
                yield variable.on_value(message, f"write {expected}")


@rule("SD941", WARNING)
def agent_knows_its_variables(case: Case) -> Iterator[Finding]:
    """A variable in queueAgent.extraEnv should be one that the queue agent or its libraries read."""
    names = case.facts.agent_settings.descriptions
    for runtime in case.runtimes:
        for variable in environment(agent(runtime)):
            if variable.name in names or _of_a_library(variable.name):
                continue
            close = nearest(variable.name, names)
            other = f"did you mean {close}?" if close else "remove it; agent/README.md lists the variables"
            help = OF_THE_REFERENCE_SYSTEM.get(variable.name, other)
            yield variable.on_name(f"the queue agent has no variable {variable.name}", help)


def _of_a_library(name: str) -> bool:
    if name in OF_THE_REFERENCE_SYSTEM:
        return False
    return name.upper() in LIBRARY_NAMES or name.startswith(LIBRARY_PREFIXES)


def _containers(case: Case) -> Iterator[ConfigNode]:
    for runtime in case.runtimes:
        yield from (inference(runtime), agent(runtime))


@rule("SD944")
def variables_are_set_once(case: Case) -> Iterator[Finding]:
    """extraEnv cannot set a variable twice: the API server rejects a list with the same name twice."""
    for container in _containers(case):
        variables = environment(container)
        counts = Counter(variable.name for variable in variables)
        first: set[str] = set()
        for variable in variables:
            if counts[variable.name] > 1 and variable.name in first:
                yield variable.on_name(f"{variable.name} is set twice", "remove one of the two")
            first.add(variable.name)


@rule("SD945")
def values_are_not_rewritten(case: Case) -> Iterator[Finding]:
    """A number or boolean in extraEnv must be one that YAML and Helm keep as written; others need quotes."""
    for container in _containers(case):
        for variable in environment(container):
            raw, text = variable.node.document.raw(variable.node.path), variable.text or ""
            if not isinstance(variable.node.value, int | float):
                continue
            help = f'write it in quotes: "{raw}"'
            if raw.lower() != text:
                yield variable.on_value(f"YAML reads {raw} as {text}, and the container would get that", help)
            elif len(raw) > HELM_DIGITS:
                yield variable.on_value(f"Helm would round {raw} to {HELM_DIGITS} digits", help)
