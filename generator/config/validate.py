"""Every problem of one config, in the order of the file: as YAML, against the schema, between keys."""

from collections.abc import Iterable, Mapping

from generator.config import schema as shapes
from generator.config.document import RULES as YAML_RULES
from generator.config.document import ConfigDocument
from generator.config.node import Schema, top
from generator.config.rules import rules
from generator.config.rules.base import Case
from generator.errors import Problem, Severity
from generator.facts.facts import Facts
from generator.solution.context import Context


def problems(
    document: ConfigDocument, schema: Schema, facts: Facts, context: Context, *, deriving: bool = False
) -> list[Problem]:
    """What is wrong with a config. `deriving`: names will be derived, so region and account must be known."""
    shape = [*document.problems, *shapes.problems(document, schema)]
    case = Case(top(document, schema), facts, context, deriving)
    # A value of the wrong shape has been reported: what a rule says of the same place would only repeat it.
    misshapen = {p.path for p in shape if p.severity is Severity.ERROR and p.code != shapes.MISSING}
    between = (problem for rule in rules() for problem in rule.problems(case))
    return sorted(_once([*shape, *(problem for problem in between if problem.path not in misshapen)]))


def _once(found: Iterable[Problem]) -> Iterable[Problem]:
    """Without doubles: runtimes that share their settings by a YAML alias share their faults, too."""
    return {(p.line, p.column, p.code, p.what): p for p in reversed(list(found))}.values()


def catalogue() -> Mapping[str, tuple[Severity, str]]:
    """Every code there is: how bad it is, and its rule in a sentence."""
    between = {rule.code: (rule.severity, rule.text) for rule in rules()}
    return {**YAML_RULES, **shapes.RULES, **between}
