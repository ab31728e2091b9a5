"""Pulls all model files of a solution, one after the other; one that fails does not stop the others."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from generator.aws.clients import Aws
from generator.models.pull import Copy, Pull
from generator.models.remote import Remote, remote
from generator.models.store import Store
from generator.models.web import PullError, Sites, Web
from generator.solution.model_file import ModelFile, ModelObject

Progress = Callable[[ModelObject, int, int], None]


@dataclass(frozen=True)
class Options:
    """`overwrite`: replace files that this command did not write. `dry_run`: only say what would be done."""

    dry_run: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Pulled:
    """What was done with one file and one object of it: a copy, or an error."""

    file: ModelFile
    target: ModelObject
    copy: Copy | None = None
    error: PullError | None = None


@dataclass(frozen=True)
class Session:
    """What a run needs: AWS, the sites with their tokens, how it tells its progress."""

    aws: Aws
    sites: Sites
    web: Web
    progress: Progress


def pulled(files: Sequence[ModelFile], session: Session, options: Options) -> Iterator[Pulled]:
    """The result for each object of each file, as soon as there is one."""
    for file in files:
        try:
            source = remote(file.source, session.web, session.sites)
        except PullError as error:
            yield from (Pulled(file, target, error=error) for target in file.objects)
            continue
        for target in file.objects:
            yield _one(file, source, target, session, options)


def _one(file: ModelFile, source: Remote, target: ModelObject, session: Session, options: Options) -> Pulled:
    def progress(done: int, total: int) -> None:
        session.progress(target, done, total)

    store = Store(session.aws.client("s3"), target)
    pull = Pull(file, source, session.web, store, progress)
    try:
        return Pulled(file, target, pull.run(dry_run=options.dry_run, overwrite=options.overwrite))
    except PullError as error:
        return Pulled(file, target, error=error)


def add_folders(needed: Mapping[ModelObject, Sequence[str]], session: Session) -> None:
    """Create the folders that runtimes need in their models, where they are missing. Raises PullError."""
    client = session.aws.client("s3")
    for mount, folders in needed.items():
        store = Store(client, mount)
        for folder in folders:
            store.add_folder(f"{mount.key}{folder}/")
