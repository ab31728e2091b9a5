"""What a config changes: the lines of a diff, and the resources and runtimes that it removes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generator.aws import identity
from generator.build import comparable, compare
from generator.deploy import deployed, template_changes
from generator.deploy.changes import Change
from generator.deploy.deployed import Deployed
from generator.deploy.job import Job
from generator.errors import CredentialsError


@dataclass(frozen=True)
class Difference:
    """Two sets of documents, by name, and notes on what they were compared with."""

    old: Mapping[str, str]
    new: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def lines(self) -> Iterator[str]:
        """The unified diff."""
        return compare.differences(self.old, self.new)

    def changes(self) -> list[Change]:
        """The resources that the stacks lose or replace, those that hold data first."""
        rows = [
            change
            for path in self.old
            if comparable.is_template(path) and self.old[path] != self.new.get(path)
            for change in template_changes.changes(_template(self.old, path), _template(self.new, path))
        ]
        return sorted(rows, key=lambda change: not change.loses_data)

    def removed_runtimes(self) -> list[str]:
        """The runtimes that leave the release."""
        kept = _runtimes(self.new)
        return [name for name in _runtimes(self.old) if name not in kept]

    def losses(self) -> list[str]:
        """What a deployment would remove or replace, one line each; lost queues and buckets stand out."""
        changes = self.changes()
        return [
            *(f"! DATA IS LOST: {change}" for change in changes if change.loses_data),
            *(f"  {change}" for change in changes if not change.loses_data),
            *(f"  - runtime {name} (pods, nodes and volume claims)" for name in self.removed_runtimes()),
        ]


def _template(documents: Mapping[str, str], path: str) -> Mapping[str, Any]:
    return comparable.parsed(documents.get(path, "")) or {}


def _runtimes(documents: Mapping[str, str]) -> list[str]:
    """The names of the runtimes in the values: of a release, or of the files of a build."""
    if comparable.VALUES in documents:
        values = comparable.parsed(documents[comparable.VALUES])
    else:
        values = comparable.values_of(documents)
    return list(values.get("sd-runtimes", values).get("runtimes", {}))


def of(job: Job, last: Mapping[str, str]) -> Difference:
    """The build of a job compared with what is deployed; what cannot be read, with `last`, the last build."""
    try:
        wrong = identity.mismatch(identity.identity(job.aws), job.solution)
    except CredentialsError as error:
        return with_last(job.folder, last, job.files, f"AWS could not be asked ({error})")
    if wrong is not None:
        return with_last(job.folder, last, job.files, f"AWS could not be asked ({wrong})")
    where = f"account {job.solution.account}, {job.solution.region}"
    current = deployed.read(job)
    if not current.documents and not current.unread:
        return with_last(job.folder, last, job.files, f"nothing is deployed in {where}")
    return _with_deployed(job, current, comparable.documents(last), where)


def _with_deployed(job: Job, current: Deployed, last: Mapping[str, str], where: str) -> Difference:
    old, notes = dict(current.documents), [f"compared with what is deployed in {where}"]
    for name, why in current.unread.items():
        notes.append(f"{name} could not be read ({why}): compared with {_last(name in last, job.folder)}")
        if name in last:
            old[name] = last[name]
    return Difference(old, comparable.documents(job.files), tuple(notes))


def with_last(folder: Path, last: Mapping[str, str], new: Mapping[str, str], why: str = "") -> Difference:
    """A build compared with the last one in `folder`. `why` says why not with what is deployed."""
    note = f"compared with {_last(bool(last), folder)}"
    return Difference(last, new, (f"{why}: {note}" if why else note,))


def _last(exists: bool, folder: Path) -> str:
    if exists:
        return f"the last build in {folder}"
    return f"nothing, since there is no build in {folder}: every file is new"
