"""`make demo`: run the example requests through the whole pipeline, then show pictures and numbers."""

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from generator.build import stack_layout
from local import config, examples, gallery, locks, summary
from local.config import Built
from local.display import Display, display
from local.emulator import ROOT
from local.fleet import Pace
from local.follow import Client
from local.gallery import seconds
from local.pipeline import Pipeline, running
from local.progress import Outcome, Progress
from local.summary import Summary

REQUESTS = ROOT / "examples" / "requests"
PROMPTS = Path(__file__).with_name("prompts.txt")


@dataclass(frozen=True)
class Demo:
    """What a demo is to do: with which config, where, how fast, how often, and for how long at most."""

    config: str
    folder: Path
    pace: Pace
    rounds: int
    seconds: float


def run(demo: Demo) -> bool:
    """Do it all; whether every task has its pictures."""
    busy = "another demo runs in this folder"
    with locks.held(demo.folder / "demo.lock", busy, "wait for it, or set another --folder"):
        return _run(demo)


def _run(demo: Demo) -> bool:
    for old in ("pictures", "logs"):
        shutil.rmtree(demo.folder / old, ignore_errors=True)
    built = config.build(demo.config, demo.folder / "build")
    print(creates(built))
    progress = planned(built, demo.rounds)
    with running(built, demo.pace, demo.folder / "logs") as pipeline:
        print(f"\nOn this machine: {len(progress.planned)} tasks through {pipeline.door.url}\n", flush=True)
        client = Client(pipeline.cloud, pipeline.door, pipeline.cloud.hear_callbacks())
        began = time.time()
        with display() as shown:
            client.run(progress, demo.seconds, lambda: _look(pipeline, shown, progress))
        took = time.time() - began
        outcomes = client.outcomes(progress, demo.folder / "pictures")
    numbers = summary.summary(outcomes, took)
    page = demo.folder / "gallery.html"
    made = f"Made by make demo from {demo.config}, {datetime.now().astimezone():%d %B %Y, %H:%M %Z}"
    gallery.write(page, outcomes, numbers, made)
    print(report(outcomes, numbers, page))
    return numbers.failed == 0


def planned(built: Built, rounds: int) -> Progress:
    """The tasks of a demo: the example requests that the runtimes of the config can do."""
    runtimes = built.solution.runtimes
    prompts = PROMPTS.read_text("utf-8").splitlines()
    return Progress(runtimes, examples.plan(examples.read(REQUESTS), runtimes, prompts, rounds))


def creates(built: Built) -> str:
    """What the config would create on AWS, in a few lines."""
    solution = built.solution
    resources = stack_layout.resource_counts(solution)
    named = {kind.removeprefix("AWS::").replace("::", " "): count for kind, count in resources.items()}
    stacks, objects = sum(named.values()), len(built.rendered.manifests)
    lines = [
        f"{solution.stack}: on AWS this config creates, in {solution.region}",
        f"  CloudFormation  {stacks:>4} resources: {_counted(named)}",
        f"  Kubernetes      {objects:>4} objects: {_counted(built.rendered.kinds())}",
        f"  the files are in {built.folder}: start with plan.md",
    ]
    return "\n".join(lines)


def _counted(kinds: Mapping[str, int], most: int = 4) -> str:
    """The most frequent kinds with their counts, the rest as one number."""
    ordered = Counter(kinds).most_common()
    named = [f"{count} {kind}" for kind, count in ordered[:most]]
    rest = sum(count for _, count in ordered[most:])
    return ", ".join([*named, *([f"{rest} others"] if rest else [])])


def report(outcomes: Sequence[Outcome], numbers: Summary, page: Path) -> str:
    """What a demo says at its end."""
    tasks = f"{numbers.tasks} tasks, {numbers.failed} failed, {numbers.pictures} pictures"
    busy = "" if numbers.busy is None else f"; busy {100 * numbers.busy:.1f} % of the time while tasks waited"
    lines = [
        f"\n{tasks} in {numbers.seconds:.1f} s ({numbers.per_minute:.0f} a minute)",
        *(f"  FAILED {each.planned.id}: {each.problem}" for each in outcomes if not each.good),
        f"  in the queue   median {seconds(numbers.queue_median)}, longest {seconds(numbers.queue_longest)}",
        f"  GPU idle       median {seconds(numbers.idle_median)} between tasks{busy}",
        f"  upload         median {seconds(numbers.upload_median)} from the last step to the callback",
        f"\n  gallery   {page.resolve().as_uri()}\n  pictures  {page.parent / 'pictures'}",
    ]
    return "\n".join(lines)


def _look(pipeline: Pipeline, shown: Display, progress: Progress) -> None:
    """Show the rows; stop at once when a part has ended."""
    pipeline.check()
    shown.show(progress.rows())
