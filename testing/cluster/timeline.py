"""What happened, second by second, and its picture: queues, replicas, nodes, busy GPUs, latencies."""

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
COLOURS = ("#2f6fde", "#e07b39", "#3a9d5d", "#9b59b6", "#c0392b", "#16a2b8", "#8d6e63", "#607d8b")
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
class Finished:
    """What the results topic said of one task: how long after its sending (seconds), and when."""

    callback: Mapping[str, Any]
    seconds: float
    at: float


@dataclass(frozen=True)
class Sample:
    """One look at the system, `at` seconds after the start."""

    at: float
    visible: int
    in_flight: int
    desired: Mapping[str, int]
    ready: Mapping[str, int]
    nodes: Mapping[str, int]
    busy: int


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that `share` percent of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


@dataclass
class Timeline:
    """Samples taken in the background until stopped."""

    look: Callable[[float], Sample]
    every: float = 1.0
    samples: list[Sample] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Timeline":
        self.began = time.monotonic()
        self._background = ThreadPoolExecutor(1)
        self._followed = self._background.submit(self._follow)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._background.shutdown()
        self._followed.result()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self.samples.append(self.look(time.monotonic() - self.began))
            self._stop.wait(self.every)

    def node_seconds(self) -> float:
        """GPU nodes times seconds: what is paid for."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(sum(a.nodes.values()) * (b.at - a.at) for a, b in pairs)

    def busy_seconds(self) -> float:
        """GPUs at work times seconds."""
        pairs = zip(self.samples, self.samples[1:], strict=False)
        return sum(a.busy * (b.at - a.at) for a, b in pairs)

    def peak(self, runtime: str) -> int:
        """The most pods a runtime was asked for."""
        return max((sample.desired.get(runtime, 0) for sample in self.samples), default=0)

    def draw(self, path: Path, title: str, finished: Mapping[str, Sequence[Finished]]) -> None:
        """Write `path`.svg and `path`.png."""
        with mpl.rc_context(STYLE):
            figure, axes = plt.subplots(
                4, 1, figsize=(9.6, 8), sharex=True, height_ratios=[3, 3, 3, 3], layout="constrained"
            )
            at = [sample.at for sample in self.samples]
            _queues(axes[0], at, self.samples)
            _replicas(axes[1], at, self.samples)
            _nodes(axes[2], at, self.samples)
            _latencies(axes[3], [first for first, *_ in finished.values()], self.began)
            for axis in axes:
                axis.grid(color=GRID, linewidth=0.7)
                axis.set_axisbelow(True)
                axis.set_ylim(bottom=0)
                axis.margins(x=0.01)
                # Beside the data, never over it.
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
        at, flying, visible, labels=["in work", "waiting"], colors=[COLOURS[0], COLOURS[1]], alpha=0.75
    )
    axis.set_title("Tasks in the queues", loc="left", fontsize=9.5)
    axis.set_ylabel("tasks")


def _replicas(axis: Axes, at: list[float], samples: list[Sample]) -> None:
    runtimes = sorted({name for s in samples for name in s.desired})
    for colour, name in zip(COLOURS, runtimes, strict=False):
        desired, ready = [s.desired.get(name, 0) for s in samples], [s.ready.get(name, 0) for s in samples]
        axis.step(at, desired, where="post", color=colour, alpha=0.6, ls=":", lw=1.3)
        axis.step(at, ready, where="post", color=colour, lw=1.6, label=name)
    axis.plot([], [], color=FAINT, ls=":", label="asked for")
    axis.set_title("Pods of each runtime: asked for and ready", loc="left", fontsize=9.5)
    axis.set_ylabel("pods")


def _nodes(axis: Axes, at: list[float], samples: list[Sample]) -> None:
    kinds = sorted({kind for s in samples for kind in s.nodes})
    if kinds:
        rows = [[s.nodes.get(kind, 0) for s in samples] for kind in kinds]
        axis.stackplot(at, rows, labels=kinds, colors=COLOURS[2:], alpha=0.55, step="post")
    axis.step(at, [s.busy for s in samples], where="post", color=INK, lw=1.3, label="GPUs at work")
    axis.set_title("GPU nodes by instance type, and GPUs at work", loc="left", fontsize=9.5)
    axis.set_ylabel("nodes")


def _latencies(axis: Axes, finished: list[Finished], began: float) -> None:
    for colour, name in zip(
        COLOURS, sorted({str(each.callback["runtime"]) for each in finished}), strict=False
    ):
        own = [each for each in finished if each.callback["runtime"] == name]
        ends, seconds = [each.at - began for each in own], [each.seconds for each in own]
        axis.scatter(ends, seconds, s=14, color=colour, alpha=0.8, label=name, linewidths=0)
    axis.set_title("Each task: from its sending to its picture", loc="left", fontsize=9.5)
    axis.set_ylabel("seconds")
