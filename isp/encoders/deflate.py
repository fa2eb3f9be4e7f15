"""Deflate (RFC 1951) for filtered pictures: Huffman codes, and runs of zeros.

What a filter leaves of a photograph is noise: the search for repeated strings, most of the work of other compressors,
finds next to nothing in it, and what it finds makes the codes of the rest longer. Runs of zeros (a blown sky, a black
border) are worth it, and are looked for eight bytes at a time, so that noise costs one comparison in eight bytes.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from isp.jit import kernel

HEADER = b"\x78\x01"  # of zlib's format: deflate with a window of 32 kB, quickly (RFC 1950)
LAST = b"\3\0"  # an empty block that is the last

_ADLER = 65521
# Symbols: bytes, the end of a block, "repeat eight bytes" and "repeat 227 and so many bytes" (RFC 1951, 3.2.5).
_END, _RUN, _LONG_RUN, _SYMBOLS = 256, 262, 284, 285
_WORDS = 32  # of eight bytes in a long run
_MORE, _MORE_BITS = 8 * _WORDS - 227, 5
_LONGEST = 15  # bits of a code
_TABLE = 17 + 19 * 3 + (_SYMBOLS + 1) * 4  # bits
_TRAILER = 3 + 7 + 32


def zlib_stream(data: NDArray[np.uint8]) -> bytes:
    """Return data in zlib's format: header, blocks, Adler-32."""
    return b"".join((HEADER, block(data).data, LAST, struct.pack(">L", adler(data))))


def adler(data: NDArray[np.uint8]) -> int:
    """Return the Adler-32 of data, by libdeflate, which is faster than zlib."""
    import imagecodecs

    return imagecodecs.deflate_adler32(data)  # type: ignore[arg-type]  # it takes any buffer


def adler_of_both(first: int, second: int, size: int) -> int:
    """Return the Adler-32 of two parts from those of each; `size` is that of the second."""
    low = (first & 0xFFFF) - 1
    return ((first >> 16) + (second >> 16) + size * low) % _ADLER << 16 | (low + (second & 0xFFFF)) % _ADLER


def block(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a block that is not the last, ended on a whole byte by an empty one, so that more may follow.

    Parameters
    ----------
    data : ndarray of uint8, contiguous
        Not empty.
    """
    words = data[: data.size // 8 * 8].view(np.int64)
    counts, lengths, codes = (np.zeros(_SYMBOLS, np.int64) for _ in range(3))
    turns, bits = np.zeros((4, 256), np.int64), np.empty(1, np.int64)
    _plan(data, words, counts, turns, _room_for_trees(), lengths, codes, bits)
    out = np.empty(int(bits[0]) // 64 + 2, np.int64)
    _write(data, words, lengths, codes, out, bits)
    packed: NDArray[np.uint8] = out.view(np.uint8)[: int(bits[0]) // 8]
    return packed


def _room_for_trees() -> tuple[NDArray[np.int64], ...]:
    """Return arrays for the weights, parents and depths of trees, and for those that have no parent."""
    return tuple(np.zeros(2 * _SYMBOLS, np.int64) for _ in range(4))


@kernel
def _plan(data, words, counts, turns, room, lengths, codes, bits):  # type: ignore[no-untyped-def]
    """Fill in the codes of a block, their lengths, and how many bits it will have."""
    _count(data, words, counts, turns)
    _code_lengths(counts, room, lengths)
    _codes(lengths, codes)
    total = _TABLE + counts[_RUN] + (_MORE_BITS + 1) * counts[_LONG_RUN] + _TRAILER
    for symbol in range(_SYMBOLS):  # a loop: numba compiles a sum of a product slowly
        total += counts[symbol] * lengths[symbol]
    bits[0] = total


@kernel
def _write(data, words, lengths, codes, out, bits):  # type: ignore[no-untyped-def]
    """Write the block, and how many bits it has."""
    out[0] = 0
    at = _put_lengths(out, lengths)
    at = _put_symbols(out, at, data, words, codes)
    at = _put_code(out, at, codes[_END])
    at = _put(out, at, 0, 3)  # a stored block, not the last; it begins on a whole byte, with its length
    at = _put(out, at, 0, -at & 7)
    bits[0] = _put(out, at, 0xFFFF0000, 32)


@kernel
def _count(data, words, counts, turns):  # type: ignore[no-untyped-def]
    """Count how often each symbol occurs; bytes in turn, or the next would often wait for the same counter."""
    zeros = 0  # words that repeat a zero before them, not yet counted
    for k in range(words.size):
        if words[k] == 0 and k > 0 and data[8 * k - 1] == 0:
            zeros += 1
            if zeros == _WORDS:
                counts[_LONG_RUN] += 1
                zeros = 0
        else:
            counts[_RUN] += zeros
            zeros = 0
            for j in range(8 * k, 8 * k + 8):
                turns[j & 3, data[j]] += 1
    counts[_RUN] += zeros
    for j in range(8 * words.size, data.size):
        turns[0, data[j]] += 1
    for symbol in range(256):
        counts[symbol] = turns[0, symbol] + turns[1, symbol] + turns[2, symbol] + turns[3, symbol]
    counts[_END] = 1


@kernel
def _code_lengths(counts, room, lengths):  # type: ignore[no-untyped-def]
    """Fill in the length of every symbol's Huffman code, 0 if it does not occur.

    The two rarest trees are joined until one is left. If a code is too long, rare symbols are made less rare.
    """
    size, (weights, parents, depths, trees) = counts.size, room
    for symbol in range(size):
        weights[symbol] = counts[symbol]
    longest = _LONGEST + 1
    while longest > _LONGEST:
        left = 0
        for symbol in range(size):
            if weights[symbol] > 0:
                trees[left] = symbol
                left += 1
        new = size
        while left > 1:
            _rarest_last(trees, left, weights)
            _rarest_last(trees, left - 1, weights)
            one, other = trees[left - 1], trees[left - 2]
            parents[one] = parents[other] = new
            weights[new] = weights[one] + weights[other]
            left -= 1
            trees[left - 1] = new
            new += 1
        longest, depths[new - 1] = 0, 0
        for tree in range(new - 2, -1, -1):
            if weights[tree] > 0:
                depths[tree] = depths[parents[tree]] + 1
                longest = max(longest, depths[tree])
        for symbol in range(size):
            weights[symbol] = (weights[symbol] + 1) >> 1
    for symbol in range(size):
        lengths[symbol] = depths[symbol]


@kernel
def _rarest_last(trees, count, weights):  # type: ignore[no-untyped-def]
    """Exchange the rarest of the first `count` trees with the last of them."""
    least = 0
    for place in range(1, count):
        if weights[trees[place]] < weights[trees[least]]:
            least = place
    trees[least], trees[count - 1] = trees[count - 1], trees[least]


@kernel
def _codes(lengths, codes):  # type: ignore[no-untyped-def]
    """Fill in the code of every symbol, first bit lowest, with its length in the bits from 16 on (RFC 1951, 3.2.2)."""
    code = 0
    for length in range(1, _LONGEST + 1):
        for symbol in range(lengths.size):
            if lengths[symbol] == length:
                codes[symbol] = _reversed(code, length) | length << 16
                code += 1
        code <<= 1


@kernel
def _reversed(code, length):  # type: ignore[no-untyped-def]
    bits = 0
    for _ in range(length):
        bits = bits << 1 | code & 1
        code >>= 1
    return bits


@kernel
def _put(words, at, bits, length):  # type: ignore[no-untyped-def]
    """Write up to 63 bits at a bit position; return the next. The word behind is cleared, so bits may just be set."""
    word, shift = at >> 6, at & 63
    words[word] |= bits << shift
    words[word + 1] = bits >> 1 >> (63 - shift)
    return at + length


@kernel
def _put_code(words, at, code):  # type: ignore[no-untyped-def]
    return _put(words, at, code & 0xFFFF, code >> 16)


@kernel
def _put_lengths(words, lengths):  # type: ignore[no-untyped-def]
    """Write what a reader needs to make the codes: their lengths, each by itself in four bits (RFC 1951, 3.2.7)."""
    at = _put(words, 0, 2 << 1 | (_SYMBOLS - 257) << 3 | 0 << 8 | (19 - 4) << 13, 17)  # codes of its own; how many
    for place in range(19):  # lengths of the codes of lengths: 16 to 18, which repeat, do not occur
        at = _put(words, at, 4 if place > 2 else 0, 3)
    for length in lengths:
        at = _put(words, at, _reversed(length, 4), 4)
    return _put(words, at, _reversed(1, 4), 4)  # the one distance, 1, has the code 0


@kernel
def _put_symbols(out, at, data, words, codes):  # type: ignore[no-untyped-def]
    zeros = 0
    for k in range(words.size):
        if words[k] == 0 and k > 0 and data[8 * k - 1] == 0:
            zeros += 1
            if zeros == _WORDS:
                at = _put(out, _put_code(out, at, codes[_LONG_RUN]), _MORE, _MORE_BITS + 1)  # and 0, the distance
                zeros = 0
        else:
            at = _put_runs(out, at, zeros, codes)
            zeros = 0
            word = words[k]
            for _ in range(2):
                bits = length = 0
                for _ in range(4):  # of at most 15 bits: together they fit into a word
                    code = codes[word & 255]
                    word >>= 8
                    bits |= (code & 0xFFFF) << length
                    length += code >> 16
                at = _put(out, at, bits, length)
    at = _put_runs(out, at, zeros, codes)
    for j in range(8 * words.size, data.size):
        at = _put_code(out, at, codes[data[j]])
    return at


@kernel
def _put_runs(out, at, count, codes):  # type: ignore[no-untyped-def]
    for _ in range(count):
        at = _put(out, _put_code(out, at, codes[_RUN]), 0, 1)
    return at
