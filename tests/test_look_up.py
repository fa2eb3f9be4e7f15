"""Look-ups of several rows woven together, against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from isp.jit import kernel
from isp.look_up import VALUES, look_up


@kernel
def three(table, entries, start, target, to):  # type: ignore[no-untyped-def]
    look_up(table, (entries[0], entries[1], entries[2]), start, target, to)


@kernel
def six(table, entries, start, target, to):  # type: ignore[no-untyped-def]
    e = entries
    look_up(table, (e[0], e[1], e[2], e[3], e[4], e[5]), start, target, to)


@pytest.mark.parametrize("call", [three, six])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("start, to", [(0, 0), (5, 7)])
def test_as_numpy_would(call, dtype, start, to):
    rows = {three: 3, six: 6}[call]
    random, count = np.random.default_rng(rows), VALUES // rows
    table = random.integers(0, np.iinfo(dtype).max, 1 << 16, dtype, endpoint=True)
    entries = random.integers(0, 1 << 16, (rows, start + count)).astype(np.uint16)
    entries[:, start], entries[:, -1] = 0, 65535
    target = np.full(to + VALUES + 9, 77, dtype)
    call(table, entries, start, target, to)
    np.testing.assert_array_equal(target[to : to + VALUES], table[entries[:, start:]].T.ravel())
    assert (target[:to] == 77).all() and (target[to + VALUES :] == 77).all()
