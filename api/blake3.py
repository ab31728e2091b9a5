"""BLAKE3 in pure Python, for all chunks at once: Lambda has no library for it.

Each of the sixteen words of the state is one big integer with a lane of 64 bits for each chunk, of which a
word takes 32: sums and shifts stay within their lane. 4 MB take about a tenth of a second of a whole CPU.
https://github.com/BLAKE3-team/BLAKE3-specs/blob/master/blake3.pdf
"""

from array import array
from collections.abc import Iterator, Sequence

_CHUNK_BYTES, _BLOCK_BYTES = 1024, 64
_CHUNK_START, _CHUNK_END, _PARENT, _ROOT = 1, 2, 4, 8
_IV = (
    *(0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A),
    *(0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19),
)
_PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
_ROUNDS = 7
# The state's words that each of the eight quarter rounds mixes: the columns, then the diagonals.
_QUARTERS = (
    *((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)),
    *((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)),
)


def blake3_hex(data: bytes) -> str:
    """The hash of the data, 64 hexadecimal digits."""
    whole = max(0, (len(data) - 1) // _CHUNK_BYTES)  # the last chunk may be short, and is done alone
    rest = data[whole * _CHUNK_BYTES :]
    if not whole:
        return _hex(_short_chunk(rest, 0, _ROOT))
    nodes = _chunks(data[: whole * _CHUNK_BYTES], whole)
    for words, word in zip(nodes, _short_chunk(rest, whole, 0), strict=True):
        words.append(word)
    while len(nodes[0]) > 1:
        nodes = _parents(nodes)
    return _hex([words[0] for words in nodes])


def _chunks(data: bytes, count: int) -> list["array[int]"]:
    """The chaining values of whole chunks: eight words, each for all chunks."""
    lanes = _Lanes(count)
    pairs = array("Q")
    pairs.frombytes(data)
    state = [lanes.repeat(word) for word in _IV]
    counter = int.from_bytes(array("Q", range(count)).tobytes(), "little")
    for number in range(_CHUNK_BYTES // _BLOCK_BYTES):
        block: list[int] = []
        for pair in range(8):
            both = int.from_bytes(pairs[8 * number + pair :: 128].tobytes(), "little")
            block += [both & lanes.mask, both >> 32 & lanes.mask]
        flags = (_CHUNK_START if number == 0 else 0) | (_CHUNK_END if number == 15 else 0)
        state = lanes.compress(state, block, counter, _BLOCK_BYTES, flags)
    return [lanes.split(word) for word in state]


def _short_chunk(data: bytes, counter: int, flags: int) -> list[int]:
    """The chaining value of one chunk of at most 1024 bytes, or the root's first eight words."""
    lane, state = _Lanes(1), list(_IV)
    blocks = [data[start : start + _BLOCK_BYTES] for start in range(0, len(data), _BLOCK_BYTES)] or [b""]
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        now = (_CHUNK_START if number == 0 else 0) | (_CHUNK_END | flags if last else 0)
        padded = block.ljust(_BLOCK_BYTES, b"\0")
        words = [int.from_bytes(padded[at : at + 4], "little") for at in range(0, _BLOCK_BYTES, 4)]
        state = lane.compress(state, words, counter, len(block), now)
    return state


def _parents(nodes: Sequence["array[int]"]) -> list["array[int]"]:
    """The next level of the tree; a node without a partner stays."""
    count = len(nodes[0])
    pairs, flags = count // 2, _PARENT | (_ROOT if count == 2 else 0)
    lanes = _Lanes(pairs)
    sides = [
        int.from_bytes(words[side : 2 * pairs : 2].tobytes(), "little") for side in (0, 1) for words in nodes
    ]
    above = lanes.compress([lanes.repeat(word) for word in _IV], sides, 0, _BLOCK_BYTES, flags)
    return [lanes.split(word) + words[2 * pairs :] for word, words in zip(above, nodes, strict=True)]


class _Lanes:
    """The compression function for so many inputs at once."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * count, "little")
        self.mask = self._ones * 0xFFFFFFFF

    def repeat(self, word: int) -> int:
        """The word in every lane."""
        return self._ones * word

    def split(self, lanes: int) -> "array[int]":
        """The word of each lane."""
        words = array("Q")
        words.frombytes(lanes.to_bytes(8 * self._count, "little"))
        return words

    def compress(
        self, chaining: Sequence[int], block: Sequence[int], counter: int, length: int, flags: int
    ) -> list[int]:
        """The first eight words of the output, for a counter below 2**32."""
        last = (counter, 0, self.repeat(length), self.repeat(flags))
        state = [*chaining, *(self.repeat(word) for word in _IV[:4]), *last]
        for words in _schedule(block):
            for quarter, (a, b, c, d) in enumerate(_QUARTERS):
                self._mix(state, (a, b, c, d), words[2 * quarter], words[2 * quarter + 1])
        return [low ^ high for low, high in zip(state[:8], state[8:], strict=True)]

    def _mix(self, state: list[int], at: tuple[int, int, int, int], x: int, y: int) -> None:
        (a, b, c, d), mask = at, self.mask
        for word, first, second in ((x, 16, 12), (y, 8, 7)):
            state[a] = (state[a] + state[b] + word) & mask
            state[d] = self._rotated(state[d] ^ state[a], first)
            state[c] = (state[c] + state[d]) & mask
            state[b] = self._rotated(state[b] ^ state[c], second)

    def _rotated(self, word: int, bits: int) -> int:
        """Each lane's word, rotated to the right."""
        return (word >> bits | word << 32 - bits) & self.mask


def _schedule(block: Sequence[int]) -> Iterator[Sequence[int]]:
    for _ in range(_ROUNDS):
        yield block
        block = [block[at] for at in _PERMUTATION]


def _hex(words: Sequence[int]) -> str:
    return b"".join(word.to_bytes(4, "little") for word in words).hex()
