"""All problems of one config in file order: YAML, schema, rules."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from generator.config import policies
from generator.config import schema as config_schema
from generator.config.canonical import canonical
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
    """All problems of a config, in file order.

    `deriving`: the command derives names, so region and account must be set.
    """
    document = replace(document, data=canonical(document.data, schema))
    of_schema = [p for p in config_schema.problems(document, schema) if p.path not in document.spoiled]
    schema_problems = [*document.problems, *of_schema]
    case = Case(top(document, schema), facts, context, deriving)
    # A value that violates the schema is already reported: rules about the same node would only repeat it.
    reported = document.spoiled | {
        p.path for p in schema_problems if p.severity is Severity.ERROR and p.code != config_schema.MISSING
    }
    rule_problems = (problem for rule in rules() for problem in rule.problems(case))
    other_problems = (problem for problem in rule_problems if problem.path not in reported)
    return sorted(_without_duplicates([*schema_problems, *other_problems]))


def _without_duplicates(problems: Iterable[Problem]) -> Iterable[Problem]:
    """Each problem once: runtimes that share settings by a YAML alias share their problems."""
    return {(p.line, p.column, p.code, p.message): p for p in reversed(list(problems))}.values()


def catalogue() -> Mapping[str, tuple[Severity, str]]:
    """Every code, with its severity and its rule in one sentence."""
    coded = {rule.code: (rule.severity, rule.text) for rule in rules()}
    return {**YAML_RULES, **config_schema.RULES, **coded, **policies.RULES}
