"""Patterns of arriving tasks, in seconds since the start: the same each time."""

import math
import random
from collections.abc import Callable

SEED = 7


def burst() -> list[float]:
    """40 tasks at the same time."""
    return [0.0] * 40


def steady() -> list[float]:
    """One task per 15 s on average (Poisson) for 20 minutes."""
    chance = random.Random(SEED)
    arrivals, at = [], chance.expovariate(1 / 15)
    while at < 1200:
        arrivals.append(at)
        at += chance.expovariate(1 / 15)
    return arrivals


def diurnal() -> list[float]:
    """Two days of 20 minutes each: from zero to six tasks per minute and back; half of each day has none."""
    chance, arrivals, at = random.Random(SEED), [], 0.0
    while (at := at + chance.expovariate(0.1)) < 2400:
        if chance.random() < max(0.0, math.sin(2 * math.pi * at / 1200)):
            arrivals.append(at)
    return arrivals


TRACES: dict[str, Callable[[], list[float]]] = {"burst": burst, "steady": steady, "diurnal": diurnal}
