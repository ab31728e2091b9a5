"""Runs the queue agent with a wall clock that jumps: `python -m testing.jumping_clock`.

At each SIGUSR1 it is set by a random time of up to ten minutes, back or forward, as by a hypervisor or NTP.
The clock of the event loop goes on, as CLOCK_MONOTONIC does.
"""

import random
import signal
import time

from queue_agent.__main__ import main

MAX_JUMP_SECONDS = 600.0


def run() -> None:
    """Start the agent with this clock."""
    real, offset = time.time, [0.0]

    def jump(*_: object) -> None:
        offset[0] = random.uniform(-MAX_JUMP_SECONDS, MAX_JUMP_SECONDS)

    time.time = lambda: real() + offset[0]
    signal.signal(signal.SIGUSR1, jump)
    main()


if __name__ == "__main__":
    run()
