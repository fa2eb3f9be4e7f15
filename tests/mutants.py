"""Damaged copies of raw files, the same ones for the same seed: what cards, cables and attackers do to them."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

_SIZE_TAGS = {
    256, 257, 258, 259, 273, 277, 278, 279, 322, 323, 324, 325, 330, 50717, 50719, 50720, 50829, 50830, 51009,
}  # fmt: skip
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_WILD = (0, 1, 2, 3, 0x7F, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD = 64 << 10  # where a header is, in most formats; a CRW has it at the end


class Mutant(NamedTuple):
    """A damaged file: its number, of what it is a copy, and what was done."""

    seed: int
    origin: Path
    kind: str
    content: bytes


def mutants(count: int, origins: list[Path], first: int = 0) -> Iterator[Mutant]:
    """Yield so many damaged files; each depends on its number alone."""
    for seed in range(first, first + count):
        rng = random.Random(seed)
        origin = origins[rng.randrange(len(origins))]
        kind = rng.choice(list(_KINDS))
        content = bytearray(origin.read_bytes())
        _KINDS[kind](rng, content)
        yield Mutant(seed, origin, kind, bytes(content))


def _flip(rng: random.Random, content: bytearray) -> None:
    """Flip one to 64 bits, somewhere, in the head or at the end."""
    size = len(content)
    first, last = rng.choice([(0, size), (0, min(_HEAD, size)), (max(0, size - 4096), size)])
    for _ in range(rng.choice([1, 1, 4, 64])):
        content[rng.randrange(first, last)] ^= 1 << rng.randrange(8)


def _size_field(rng: random.Random, content: bytearray) -> None:
    """Write a wild number into a directory entry that says how large or where something is."""
    order = ">" if content[:2] == b"MM" else "<"
    entries = list(_entries(content, order)) or [_any_word(rng, content)]
    for _ in range(rng.choice([1, 1, 2])):
        at, form = rng.choice(entries)
        now = struct.unpack_from(order + form, content, at)[0]
        largest = (1 << 8 * struct.calcsize(form)) - 1
        value = rng.choice([*_WILD, now + 1, now - 1, now * 2, now // 2, len(content), rng.randrange(1 << 32)])
        struct.pack_into(order + form, content, at, max(0, value) & largest)


def _entries(content: bytearray, order: str) -> Iterator[tuple[int, str]]:
    """Yield where the counts and values of a TIFF's size tags lie, and their form."""
    if content[:4] not in (b"II*\0", b"MM\0*"):
        return
    waiting, seen = [struct.unpack_from(order + "I", content, 4)[0]], set()
    while waiting:
        start = waiting.pop()
        if start in seen or start + 2 > len(content):
            continue
        seen.add(start)
        number = struct.unpack_from(order + "H", content, start)[0]
        for at in range(start + 2, min(start + 2 + 12 * number, len(content) - 12), 12):
            tag, kind, count, value = struct.unpack_from(order + "HHII", content, at)
            if tag == 330:
                waiting += [value] if count == 1 else _words(content, order, value, count)
            if tag in _SIZE_TAGS:
                yield at + 4, "I"
                form = "H" if kind == 3 else "I"
                inside = count * _TYPE_BYTES.get(kind, 1) <= 4
                place = at + 8 if inside else value
                if place + 4 <= len(content):
                    yield place, form


def _words(content: bytearray, order: str, at: int, count: int) -> list[int]:
    count = min(count, 8, max(0, len(content) - at) // 4)
    return list(struct.unpack_from(f"{order}{count}I", content, at))


def _any_word(rng: random.Random, content: bytearray) -> tuple[int, str]:
    """Choose a word of the first or the last bytes, where formats without TIFF directories keep theirs."""
    near = rng.randrange(0, min(512, len(content) - 4))
    return (near if rng.random() < 0.5 else len(content) - 4 - near), "I"


def _truncate(rng: random.Random, content: bytearray) -> None:
    """Cut off the end; half of them are filled up with zeros, as after a failed copy."""
    size = len(content)
    keep = rng.choice([rng.randrange(size), size - rng.randrange(1, 1000), rng.randrange(min(size, _HEAD))])
    del content[keep:]
    if rng.random() < 0.5:
        content.extend(bytes(size - keep))


def _splice(rng: random.Random, content: bytearray) -> None:
    """Overwrite, remove, insert or repeat a block, as a confused file system does."""
    length = rng.choice([1, 16, 512, 4096, 32768])
    at, other = (rng.randrange(max(1, len(content) - length)) for _ in range(2))
    block = bytes(content[other : other + length])
    what = rng.randrange(5)
    if what == 0:
        content[at : at + length] = block
    elif what == 1:
        del content[at : at + length]
    elif what == 2:
        content[at:at] = block
    elif what == 3:
        content[at : at + length] = bytes(length)
    else:
        content[at : at + length] = rng.randbytes(length)


_KINDS: dict[str, Callable[[random.Random, bytearray], None]] = {
    "flip": _flip,
    "size field": _size_field,
    "truncation": _truncate,
    "splice": _splice,
}
