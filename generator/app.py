"""The use cases of the generator without a command line: from a config to its files, manifests and plan.

The command line, the local pipeline, tools and benchmarks call these. Files, clock, environment and STS are
read here and handed to the pure core below.
"""
# ruff: noqa: PLC0415 - `validate` and `--help` start without the modules that only some use cases need

import codecs
import contextlib
import functools
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator import paths
from generator.config import document
from generator.config.canonical import canonical
from generator.config.document import ConfigDocument
from generator.errors import ConfigError, Problem, Severity
from generator.facts.facts import Facts
from generator.solution.context import Context
from generator.solution.model import Solution

if TYPE_CHECKING:
    from generator.plan.model import Plan
    from generator.plan.whatif import WhatIf
    from generator.preflight.check import Subject
    from generator.scaling.whatif import Forecast
    from generator.solution.defaults import Defaults

STDIN = "-"


@dataclass(frozen=True)
class Target:
    """Where to deploy to, as far as the caller says it. What it says wins over the config."""

    region: str | None = None
    account: str | None = None
    # Ask AWS STS for the account of the credentials instead of reading the config.
    account_from_sts: bool = False


@dataclass(frozen=True)
class Solved:
    """A config that passed validation: the document, its solution, and the warnings."""

    config: ConfigDocument
    solution: Solution
    warnings: tuple[Problem, ...]


def read_text(name: str) -> str:
    """The text of a file, or of standard input for `-`. Raises ConfigError when it cannot be read."""
    try:
        content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(name, f"cannot read the file: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        raise _unreadable(name, reason, "save the file as UTF-8") from error


def display_name(name: str) -> str:
    """The name of a file in messages."""
    return "<stdin>" if name == STDIN else name


def _unreadable(name: str, reason: str, help: str) -> ConfigError:
    return ConfigError([Problem(display_name(name), 1, 1, "$", document.YAML_TEXT, reason, help)])


def open_config(name: str) -> ConfigDocument:
    """Read and parse a config file, `-` for standard input. Raises ConfigError."""
    return document.load(read_text(name), display_name(name))


def schema() -> dict[str, Any]:
    """The JSON Schema of a config (values-schema.json)."""
    loaded: dict[str, Any] = json.loads((paths.root() / "values-schema.json").read_text("utf-8"))
    return loaded


def defaults() -> "Defaults":
    """What applies where a config says nothing: from the schema and the charts."""
    from generator.config import defaults as config_defaults
    from generator.facts import runtimes
    from generator.solution import defaults as solution_defaults

    contract = schema()
    return solution_defaults.defaults(
        config_defaults.of_config(contract),
        config_defaults.of_runtime(contract),
        runtimes.load(paths.root() / "charts"),
    )


@functools.cache
def facts() -> Facts:
    """The facts about AWS that ship with the generator; each file is read once, when it is needed."""
    return Facts(paths.data())


def today() -> date:
    """Today's date in UTC."""
    return datetime.now(UTC).date()


def context(config: ConfigDocument, target: Target, folder: Path | None = None) -> Context:
    """Region, account and date for a config: target first, then the config, then the environment.

    With the files that it names, from `folder`; without one, from the folder of the config. Raises
    CredentialsError when STS is asked for the account and does not answer.
    """
    data = config.data
    environment = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = target.region or _text(data, "region") or environment
    account = target.account or (
        _account_from_sts(region) if target.account_from_sts else _text(data, "accountId")
    )
    return Context(region, account, today(), _files(data, folder or folder_of(config)))


def folder_of(config: ConfigDocument) -> Path:
    """The folder of a config; of standard input, the current one."""
    return Path() if config.source == display_name(STDIN) else Path(config.source).parent


def _files(data: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The texts of the files that a config names; those that cannot be read are left out."""
    from generator.solution import custom_nodes

    entries = data.get("modelsRuntime")
    runtimes = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = [_text(entry, "customNodesFile") for entry in runtimes]
    names += [
        custom_nodes.lock_name(name)
        for entry in runtimes
        if ("customNodes" in entry or "customNodesFile" in entry) and (name := _text(entry, "name"))
    ]
    texts = {}
    for name in filter(None, names):
        with contextlib.suppress(OSError, ValueError):
            content = (folder / name).read_bytes()
            # PowerShell writes what a program prints as UTF-16.
            is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
            texts[name] = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    return texts


def _text(data: Mapping[str, Any], key: str) -> str | None:
    value = data.get(key)
    return value if isinstance(value, str) and value else None


def _account_from_sts(region: str | None) -> str:
    """The account of the current credentials."""
    from generator.aws import identity
    from generator.aws.clients import Aws

    return identity.identity(Aws(region or "us-east-1")).account


def check(config: ConfigDocument, where: Context, *, deriving: bool = False) -> list[Problem]:
    """Every problem of a config. `deriving`: region and account must be known, since names need them."""
    from generator.config import policies, validate

    contract, known_facts = schema(), facts()
    problems = validate.problems(config, contract, known_facts, where, deriving=deriving)
    if policies.apply(config, where, problems):
        problems += policies.problems(config, contract, defaults(), known_facts, where)
    return sorted(problems)


def solve(config: ConfigDocument, target: Target = Target()) -> Solved:
    """Validate and resolve a config. Raises ConfigError with every problem when one is an error."""
    from generator.solution import resolve

    where = context(config, target)
    problems = check(config, where, deriving=True)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise ConfigError(problems)
    data = canonical(config.data, schema())
    return Solved(config, resolve.solution(data, defaults(), facts(), where), tuple(problems))


def in_zones(solved: Solved, zones: tuple[str, str, str] | None) -> Solved:
    """The same in the availability zones that the user named, if any: zone names differ between accounts."""
    return solved if zones is None else replace(solved, solution=replace(solved.solution, zones=zones))


def problem_text(problems: Iterable[Problem], *, color: bool = False) -> str:
    """Problems as text, each with its line of the file (standard input cannot be read twice)."""
    from generator.config import report

    listed = list(problems)
    files = {problem.source: Path(problem.source) for problem in listed}
    lines = {name: path.read_text("utf-8").splitlines() for name, path in files.items() if path.is_file()}
    return report.text(listed, lines, color=color)


def build(solved: Solved, chart: str) -> dict[str, str]:
    """Path and text of every file that is deployed, with values for `chart`."""
    from generator.build import files

    source = files.config_file(solved.config.source, solved.config.text)
    return files.build(solved.solution, source, chart, plan(solved.solution))


def write(solved: Solved, chart: str, output: Path) -> tuple[Path, dict[str, str]]:
    """Build into `output`/STACK. The folder and the files. Raises NotOursError and OSError."""
    from generator.build import folder as build_folder

    folder, built = output / solved.solution.stack, build(solved, chart)
    build_folder.replace(folder, built)
    return folder, built


def render(solved: Solved, chart: str | None = None, *, whole: bool = False) -> str:
    """The Kubernetes manifests of a config; `whole`: with CRDs, without hooks. Raises HelmError.

    Without `chart`: of the runtimes' chart in an existing cluster, or where the dependencies of the umbrella
    chart are not present; else of the umbrella chart.
    """
    from generator.build.files import RUNTIMES_ALONE
    from generator.deploy import charts, helm

    solution = solved.solution
    eks = solution.versions.eks
    name = chart or (RUNTIMES_ALONE if solution.existing_cluster else charts.best(eks))
    files = build(solved, name)
    return helm.template(solution.stack, charts.folder(name, eks), eks, files, whole=whole)


def plan(solution: Solution, seconds: Mapping[str, float] | None = None, day: date | None = None) -> "Plan":
    """Resources, quotas and cost of a solution on one day.

    `seconds`: the time of one picture by GPU, where measured. Without `day`, that of the table of EKS
    versions: a build does not change with the date.
    """
    from generator.build import stack_layout
    from generator.plan import plan as planning

    known_facts, resources = facts(), stack_layout.resource_counts(solution)
    return planning.plan(solution, known_facts, day or known_facts.as_of, resources, seconds)


def whatif(solved: Solved, trace: str, options: "WhatIf") -> list["Forecast"]:
    """What the tasks of a trace lead to, by runtime, under each policy. Raises TraceError and ValueError."""
    from generator.plan import whatif as planning
    from generator.scaling import trace as traces

    solution = solved.solution
    tasks = traces.parse(trace, {runtime.name for runtime in solution.runtimes})
    question = planning.Question(solution, plan(solution), facts(), defaults(), options, tasks)
    return list(planning.forecasts(question))


def subject(solution: Solution, day: date | None = None) -> "Subject":
    """What preflight judges: the solution, its plan, the images it pulls, the rights that deploying needs."""
    from generator.facts import runtimes
    from generator.iam import deployer
    from generator.images import images
    from generator.preflight.check import Subject

    return Subject(
        solution=solution,
        plan=plan(solution),
        facts=facts(),
        today=day or today(),
        images=images.pulled_names(solution),
        deployer=deployer.policies(solution),
        model_folders=runtimes.model_folders(paths.root() / "charts"),
        forge_folders=runtimes.forge_folders(paths.root() / "charts"),
    )
