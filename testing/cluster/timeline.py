"""Samples of queues, replicas, nodes, busy GPUs and latencies over time, and a chart of them."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PICTURES = Path(__file__).resolve().parents[2] / "build" / "e2e"
INK, FAINT, GRID = "#22303c", "#5c6b78", "#e3e8ec"
COLORS = ("#2f6fde", "#e07b39", "#3a9d5d", "#9b59b6", "#c0392b", "#16a2b8", "#8d6e63", "#607d8b")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "svg.hashsalt": "e2e",
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class FinishedTask:
    """The callback of one task, seconds after it was sent, received `at` (monotonic clock)."""

    callback: Mapping[str, Any]
    seconds: float
    at: float


@dataclass(frozen=True)
class Sample:
    """One sample of the system, `at` seconds after the start."""

    at: float
    visible: int
    in_flight: int
    desired: Mapping[str, int]
    ready: Mapping[str, int]
    nodes: Mapping[str, int]
    busy: int


def percentile(values: Sequence[float], share: int) -> float:
    """The nearest-rank percentile: the smallest value that `share` percent of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


@dataclass
class Timeline:
    """Samples taken in the background until stopped."""

    sample: Callable[[float], Sample]
    interval: float = 1.0
    samples: list[Sample] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Timeline":
        self.started = time.monotonic()
        self._executor = ThreadPoolExecutor(1)
        self._sampling = self._executor.submit(self._take_samples)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._executor.shutdown()
        self._sampling.result()

    def _take_samples(self) -> None:
        while not self._stop.is_set():
            self.samples.append(self.sample(time.monotonic() - self.started))
            self._stop.wait(self.interval)

    def node_seconds(self) -> float:
        """GPU nodes times seconds, which are paid for."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(sum(a.nodes.values()) * (b.at - a.at) for a, b in pairs)

    def busy_seconds(self) -> float:
        """Busy GPUs times seconds."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(a.busy * (b.at - a.at) for a, b in pairs)

    def peak(self, runtime: str) -> int:
        """The maximum number of desired pods of a runtime."""
        return max((sample.desired.get(runtime, 0) for sample in self.samples), default=0)

    def draw(self, path: Path, title: str, finished: Mapping[str, Sequence[FinishedTask]]) -> None:
        """Write `path`.svg and `path`.png."""
        with mpl.rc_context(STYLE):
            figure, axes = plt.subplots(
                4, 1, figsize=(9.6, 8), sharex=True, height_ratios=[3, 3, 3, 3], layout="constrained"
            )
            at = [sample.at for sample in self.samples]
            _queues(axes[0], at, self.samples)
            _replicas(axes[1], at, self.samples)
            _nodes(axes[2], at, self.samples)
            _latencies(axes[3], [first for first, *_ in finished.values()], self.started)
            for axis in axes:
                axis.grid(color=GRID, linewidth=0.7)
                axis.set_axisbelow(True)
                axis.set_ylim(bottom=0)
                axis.margins(x=0.01)
                # Next to the data, not over it.
                axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=8.5)
            axes[3].set_xlabel("time since the start (s)")
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
            figure.savefig(path.with_suffix(".png"), dpi=110)
            plt.close(figure)


def _queues(axis: Axes, at: list[float], samples: list[Sample]) -> None:
    visible, flying = [s.visible for s in samples], [s.in_flight for s in samples]
    axis.stackplot(
        at, flying, visible, labels=["in flight", "waiting"], colors=[COLORS[0], COLORS[1]], alpha=0.75
    )
    axis.set_title("Tasks in the queues", loc="left", fontsize=9.5)
    axis.set_ylabel("tasks")


def _replicas(axis: Axes, at: list[float], samples: list[Sample]) -> None:
    runtimes = sorted({name for s in samples for name in s.desired})
    for color, name in zip(COLORS, runtimes, strict=False):
        desired, ready = [s.desired.get(name, 0) for s in samples], [s.ready.get(name, 0) for s in samples]
        axis.step(at, desired, where="post", color=color, alpha=0.6, ls=":", lw=1.3)
        axis.step(at, ready, where="post", color=color, lw=1.6, label=name)
    axis.plot([], [], color=FAINT, ls=":", label="desired")
    axis.set_title("Pods of each runtime: desired and ready", loc="left", fontsize=9.5)
    axis.set_ylabel("pods")


def _nodes(axis: Axes, at: list[float], samples: list[Sample]) -> None:
    kinds = sorted({kind for s in samples for kind in s.nodes})
    if kinds:
        rows = [[s.nodes.get(kind, 0) for s in samples] for kind in kinds]
        axis.stackplot(at, rows, labels=kinds, colors=COLORS[2:], alpha=0.55, step="post")
    axis.step(at, [s.busy for s in samples], where="post", color=INK, lw=1.3, label="busy GPUs")
    axis.set_title("GPU nodes by instance type, and busy GPUs", loc="left", fontsize=9.5)
    axis.set_ylabel("nodes")


def _latencies(axis: Axes, finished: list[FinishedTask], started: float) -> None:
    for color, name in zip(
        COLORS, sorted({str(task.callback["runtime"]) for task in finished}), strict=False
    ):
        tasks = [task for task in finished if task.callback["runtime"] == name]
        ends, seconds = [task.at - started for task in tasks], [task.seconds for task in tasks]
        axis.scatter(ends, seconds, s=14, color=color, alpha=0.8, label=name, linewidths=0)
    axis.set_title("Latency of each task: from sending to picture", loc="left", fontsize=9.5)
    axis.set_ylabel("seconds")
