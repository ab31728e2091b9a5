"""How long the stages of a cold start take: measured and published figures, each with its source."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

# The goal: from a task in the queue of a runtime without pods to its first picture, and the model's part.
GOAL_SECONDS = 60
GOAL_MODEL_SECONDS = 6
# The bandwidth at which the part of the model is to be met.
GOAL_GBPS = 10


@dataclass(frozen=True)
class Figure:
    """One figure, and where it is from. `kind`: `measured` for this project, or `sourced`."""

    value: float
    kind: str
    source: str


@dataclass(frozen=True)
class ColdStartFacts:
    """The figures of cold_start.json by name, and their date."""

    figures: Mapping[str, Figure]
    date: date

    def value(self, name: str) -> float:
        """The value of a figure. Raises KeyError."""
        return self.figures[name].value

    def start_seconds(self, runtime_type: str) -> float | None:
        """How long the program of a runtime type takes to start; None for a custom one."""
        figure = self.figures.get(f"start_seconds_{runtime_type}")
        return figure.value if figure else None


def load(folder: Path) -> ColdStartFacts:
    """Read `folder`/cold_start.json."""
    data: dict[str, Any] = json.loads((folder / "cold_start.json").read_text("utf-8"))
    figures = {name: Figure(**row) for name, row in data["figures"].items()}
    return ColdStartFacts(figures, date.fromisoformat(data["date"]))
