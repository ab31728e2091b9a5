"""How much the tasks of one agent may have on its scratch volume, and in memory, at once."""

import asyncio
import math
from collections import deque

# Of the scratch volume, whose size is set in charts/sd-runtimes/templates/runtime/_containers.tpl.
INPUT_BYTES = 2560 * 2**20  # inputs, and the requests that hold them, until their run is over
OUTPUT_BYTES = 1792 * 2**20  # responses of the runtime and outputs, until S3 has them
# Bodies of messages. As objects of Python, JSON takes up to 44 times as much memory as its text.
WAITING_MESSAGE_BYTES = 5 * 2**20  # of tasks that wait for the runtime
FINISHING_MESSAGE_BYTES = 3 * 2**20  # of tasks whose outputs are being stored
ANNOUNCING_MESSAGE_BYTES = 32 * 2**20  # of tasks whose callback is being sent; nothing but the text is left
# A message that is received is taken to be as large as the largest one here, and at least as large as the
# largest that comes by SNS. One that is sent to the queue directly may have 1 MiB.
LEAST_MESSAGE_BYTES = 2**18


def prepare_bytes(input_bytes: int) -> int:
    """What a task with inputs of this size needs while it is prepared: the inputs, and them as base64."""
    return math.ceil(input_bytes * 7 / 3)


def run_bytes(max_output_bytes: int) -> int:
    """What a task may need at the end of its run: a response in base64, and its outputs."""
    return max_output_bytes * 7 // 4


class Room:
    """What one task has of a budget, in bytes."""

    def __init__(self, budget: "ByteBudget", size: int) -> None:
        self._budget, self.size = budget, size

    def shrink(self, size: int) -> None:
        """Give back all but `size` bytes."""
        freed = max(0, self.size - size)
        self.size -= freed
        self._budget.give_back(freed)


class ByteBudget:
    """Bytes that tasks take in the order in which they ask, so that one that needs many is not overtaken."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, size: int) -> Room:
        """Wait until `size` bytes are left, and take them. More than the whole budget counts as the whole."""
        size = min(size, self._size)
        if size == 0:
            return Room(self, 0)
        served = asyncio.get_running_loop().create_future()
        self._waiting.append((size, served))
        self._serve()
        try:
            await served
        except asyncio.CancelledError:
            if served.cancelled():
                self._serve()
            else:
                self.give_back(size)
            raise
        return Room(self, size)

    def give_back(self, size: int) -> None:
        """So many bytes are left again."""
        self._left += size
        self._serve()

    def _serve(self) -> None:
        while self._waiting:
            size, served = self._waiting[0]
            if not served.cancelled():
                if size > self._left:
                    return
                self._left -= size
                served.set_result(None)
            self._waiting.popleft()
