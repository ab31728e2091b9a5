"""What happened, second by second, and its picture: queues, replicas, nodes, busy GPUs, latencies."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

INK, GRID = "#22303c", "#d8dee4"
COLOURS = ("#2f6fde", "#e07b39", "#3a9d5d", "#9b59b6", "#c0392b", "#16a2b8", "#8d6e63", "#607d8b")


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


@dataclass
class Timeline:
    """Samples taken in the background until stopped, and the latency of each finished task."""

    look: Callable[[float], Sample]
    every: float = 1.0
    samples: list[Sample] = field(default_factory=list)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Timeline":
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

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

    def draw(self, path: Path, title: str) -> None:
        """Write `path`.svg and `path`.png."""
        mpl.rcParams.update(
            {"font.size": 9, "axes.edgecolor": GRID, "text.color": INK, "svg.hashsalt": "e2e"}
        )
        figure, axes = plt.subplots(4, 1, figsize=(9, 7.2), sharex=True, height_ratios=[3, 3, 3, 2])
        at = [sample.at for sample in self.samples]
        _queues(axes[0], at, self.samples)
        _replicas(axes[1], at, self.samples)
        _nodes(axes[2], at, self.samples)
        axes[3].scatter(
            [end for end, _ in self.latencies],
            [seconds for _, seconds in self.latencies],
            s=8,
            color=COLOURS[0],
        )
        axes[3].set_ylabel("time to\npicture, s")
        axes[3].set_xlabel("seconds")
        for axis in axes:
            axis.grid(color=GRID, linewidth=0.6)
            axis.set_axisbelow(True)
            axis.set_ylim(bottom=0)
            if axis.get_legend_handles_labels()[0]:
                axis.legend(loc="upper right", frameon=False, fontsize=8, ncols=3)
        figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
        figure.tight_layout()
        path.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".svg", ".png"):
            figure.savefig(
                path.with_suffix(suffix), dpi=110, metadata={"Date": None} if suffix == ".svg" else None
            )
        plt.close(figure)


def _queues(axis: "plt.Axes", at: list[float], samples: list[Sample]) -> None:
    visible, flying = [s.visible for s in samples], [s.in_flight for s in samples]
    axis.stackplot(
        at, visible, flying, labels=["waiting", "in flight"], colors=[COLOURS[1], COLOURS[0]], alpha=0.7
    )
    axis.set_ylabel("tasks in\nthe queues")


def _replicas(axis: "plt.Axes", at: list[float], samples: list[Sample]) -> None:
    for colour, name in zip(COLOURS, sorted({name for s in samples for name in s.desired}), strict=False):
        axis.step(
            at, [s.desired.get(name, 0) for s in samples], where="post", color=colour, alpha=0.4, ls="--"
        )
        axis.step(at, [s.ready.get(name, 0) for s in samples], where="post", color=colour, label=name)
    axis.set_ylabel("pods: asked (- -)\nand ready")


def _nodes(axis: "plt.Axes", at: list[float], samples: list[Sample]) -> None:
    kinds = sorted({kind for s in samples for kind in s.nodes})
    if kinds:
        rows = [[s.nodes.get(kind, 0) for s in samples] for kind in kinds]
        axis.stackplot(at, rows, labels=kinds, colors=COLOURS, alpha=0.7, step="post")
    axis.step(at, [s.busy for s in samples], where="post", color=INK, lw=1.2, label="GPUs busy")
    axis.set_ylabel("GPU nodes")
