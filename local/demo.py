"""`make demo`: runs the example requests through the whole pipeline, then shows pictures and numbers."""

import shutil
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from generator.build import stack_layout
from local import config, examples, gallery, locks, summary
from local.application import Application
from local.config import Built
from local.display import Display, display
from local.emulator import ROOT
from local.gallery import seconds
from local.pipeline import Pipeline, running
from local.pods import Durations
from local.progress import Progress, TaskOutcome
from local.summary import Summary

REQUESTS = ROOT / "examples" / "requests"
PROMPTS = Path(__file__).with_name("prompts.txt")


@dataclass(frozen=True)
class DemoOptions:
    """The options of a demo. `rounds` is how often each example is sent; `seconds` is the time limit."""

    config: str
    folder: Path
    durations: Durations
    rounds: int
    seconds: float


def run(options: DemoOptions) -> bool:
    """Run the demo; whether every task has its pictures."""
    busy = "another demo is running in this folder"
    with locks.lock_or_fail(
        options.folder / "demo.lock", busy, "wait until it ends, or set another --folder"
    ):
        return _run(options)


def _run(options: DemoOptions) -> bool:
    for name in ("pictures", "logs"):
        shutil.rmtree(options.folder / name, ignore_errors=True)
    built = config.build(options.config, options.folder / "build")
    print(describe(built))
    progress = plan_tasks(built, options.rounds)
    with running(built, options.durations, options.folder / "logs") as pipeline:
        print(f"\nOn this machine: {len(progress.planned)} tasks through {pipeline.api.url}\n", flush=True)
        application = Application(pipeline.cloud, pipeline.api, pipeline.cloud.subscribe_to_results())
        start = time.time()
        with display() as screen:
            application.run(progress, options.seconds, lambda: _refresh(pipeline, screen, progress))
        elapsed = time.time() - start
        outcomes = application.outcomes(progress, options.folder / "pictures")
    numbers = summary.summarize(outcomes, elapsed)
    page = options.folder / "gallery.html"
    origin = f"Made by make demo from {options.config}, {datetime.now().astimezone():%d %B %Y, %H:%M %Z}"
    gallery.write(page, outcomes, numbers, origin)
    print(report(outcomes, numbers, page))
    return numbers.failed == 0


def plan_tasks(built: Built, rounds: int) -> Progress:
    """The tasks of a demo: the example requests that the runtimes of the config support."""
    runtimes = built.solution.runtimes
    prompts = PROMPTS.read_text("utf-8").splitlines()
    return Progress(runtimes, examples.plan(examples.read(REQUESTS), runtimes, prompts, rounds))


def describe(built: Built) -> str:
    """A summary of the resources that the config would create on AWS."""
    solution = built.solution
    resources = stack_layout.resource_counts(solution)
    named = {kind.removeprefix("AWS::").replace("::", " "): count for kind, count in resources.items()}
    stacks, objects = sum(named.values()), len(built.manifests.objects)
    lines = [
        f"{solution.stack}: on AWS, this config creates in {solution.region}",
        f"  CloudFormation  {stacks:>4} resources: {_counted(named)}",
        f"  Kubernetes      {objects:>4} objects: {_counted(built.manifests.kinds())}",
        f"  Files: {built.folder} (read plan.md first)",
    ]
    return "\n".join(lines)


def _counted(kinds: Mapping[str, int], most: int = 4) -> str:
    """The most frequent kinds with their counts, the rest as one number."""
    ordered = Counter(kinds).most_common()
    named = [f"{count} {kind}" for kind, count in ordered[:most]]
    rest = sum(count for _, count in ordered[most:])
    return ", ".join([*named, *([f"{rest} more"] if rest else [])])


def report(outcomes: Sequence[TaskOutcome], numbers: Summary, page: Path) -> str:
    """The text that a demo prints at its end."""
    tasks = f"{numbers.tasks} tasks, {numbers.failed} failed, {numbers.pictures} pictures"
    busy = "" if numbers.busy is None else f"; busy {100 * numbers.busy:.1f} % of the time with tasks waiting"
    lines = [
        f"\n{tasks} in {numbers.seconds:.1f} s ({numbers.per_minute:.0f} pictures per minute)",
        *(
            f"  FAILED {outcome.planned.id}: {outcome.problem}"
            for outcome in outcomes
            if not outcome.succeeded
        ),
        f"  in the queue   median {seconds(numbers.queue_median)}, longest {seconds(numbers.queue_longest)}",
        f"  GPU idle       median {seconds(numbers.idle_median)} between tasks{busy}",
        f"  upload         median {seconds(numbers.upload_median)} from the last step until the callback",
        f"\n  gallery   {page.resolve().as_uri()}\n  pictures  {page.parent / 'pictures'}",
    ]
    return "\n".join(lines)


def _refresh(pipeline: Pipeline, screen: Display, progress: Progress) -> None:
    """Show the current rows. Raises LocalError if a process of the pipeline has ended."""
    pipeline.check()
    screen.show(progress.rows())
