"""From a config to its solution, plan and files, with the facts that ship with the generator."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from generator import app
from generator.build import files
from generator.config.canonical import canonical
from generator.plan.model import Plan
from generator.preflight.check import Subject
from generator.solution import resolve
from generator.solution.context import Context
from generator.solution.model import Solution

SCHEMA, FACTS, DEFAULTS = app.schema(), app.facts(), app.defaults()


def solution(data: Mapping[str, Any], context: Context) -> Solution:
    """The solution of a config that validates."""
    return resolve.solution(canonical(data, SCHEMA), DEFAULTS, FACTS, context)


def plan(solution: Solution, seconds: Mapping[str, float] | None = None, day: date | None = None) -> Plan:
    """The plan of a solution on one day; without it, on that of the table of EKS versions."""
    return app.plan(solution, seconds, day)


def built(solution: Solution, chart: str = files.UMBRELLA) -> dict[str, str]:
    """Path and text of every file of a build."""
    return files.build(solution, files.config_file("config.yaml", ""), chart, plan(solution))


def subject(solution: Solution) -> Subject:
    """What preflight checks of a solution."""
    return app.subject(solution)
