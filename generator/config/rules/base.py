"""What a rule is: a function from a config to what it finds, with a code and one sentence."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from generator.config.node import ConfigNode
from generator.errors import Problem, Severity
from generator.facts.facts import Facts
from generator.solution.context import Context


@dataclass(frozen=True)
class Case:
    """One config under examination. `deriving`: names follow from it, so region and account must be known."""

    config: ConfigNode
    facts: Facts
    context: Context
    deriving: bool

    @cached_property
    def runtimes(self) -> list[ConfigNode]:
        """Every entry of modelsRuntime that is a mapping."""
        return [entry for entry in self.config.at("modelsRuntime").items() if isinstance(entry.value, dict)]

    @property
    def stack(self) -> str | None:
        """The name of the stack."""
        return self.config.at("stackName").text()


@dataclass(frozen=True)
class Finding:
    """A fault at a place, and its cure. `on_key`: the key itself is at fault, not its value."""

    place: ConfigNode
    what: str
    help: str
    on_key: bool = False


Finder = Callable[[Case], Iterator[Finding]]


@dataclass(frozen=True)
class Rule:
    """A code, how bad it is, the rule in one sentence, and how to find what breaks it."""

    code: str
    severity: Severity
    text: str
    find: Finder

    def problems(self, case: Case) -> Iterator[Problem]:
        """What breaks the rule, with its line and column."""
        for finding in self.find(case):
            place, document = finding.place, finding.place.document
            line, column = (document.key if finding.on_key else document.value)(place.path)
            yield Problem(
                document.source,
                line,
                column,
                place.name,
                self.code,
                finding.what,
                finding.help,
                self.severity,
            )


def rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[Finder], Rule]:
    """Make a rule of a function; its docstring is the sentence."""

    def made(find: Finder) -> Rule:
        return Rule(code, severity, " ".join((find.__doc__ or "").split()), find)

    return made


WARNING = Severity.WARNING


def inference(runtime: ConfigNode) -> ConfigNode:
    """The runtime's container."""
    return runtime.at("extraValues", "runtime", "inferenceApi")


def agent(runtime: ConfigNode) -> ConfigNode:
    """The queue agent's container."""
    return runtime.at("extraValues", "runtime", "queueAgent")


def provisioner(runtime: ConfigNode) -> ConfigNode:
    """Which nodes may be started."""
    return runtime.at("extraValues", "karpenter", "provisioner")


def node_template(runtime: ConfigNode) -> ConfigNode:
    """How nodes are set up."""
    return runtime.at("extraValues", "karpenter", "nodeTemplate")
