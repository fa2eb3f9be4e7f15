"""A picture whose rows are computed when they are asked for, so that it need not lie in memory as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isp.bands import Maker
from isp.errors import require
from isp.frame import Meta
from isp.geometry import orient, scaled_crop
from isp.recycled import empty
from isp.threads import over_rows


class Picture(Protocol):
    """What an encoder takes: an array, or something that computes its rows."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, 3)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a value."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Return an array of rows that follow one another."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """Rows yet to be computed; a row is the same whenever it is asked for, with which others and in which thread.

    Parameters
    ----------
    make : callable
        Puts rows `first` to `last` into an array of so many rows.
    shape : tuple
        (height, width, 3).
    dtype : dtype
        Of a value.
    """

    make: Maker
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Compute rows in this thread.

        Raises
        ------
        ParameterError
            If the slice leaves rows out.
        """
        first, last, step = rows.indices(self.shape[0])
        require(step == 1, "Rendering", "step", step, "1: rows that follow one another")
        part = np.empty((max(last - first, 0), *self.shape[1:]), self.dtype)
        if len(part):
            self.make(first, last, part)
        return part

    def whole(self, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Compute all rows in all threads, into an array if one is given."""
        out = empty(self.shape, self.dtype) if out is None else out
        over_rows(lambda first, last: self.make(first, last, out[first:last]), len(out))
        return out


class Upright:
    """A picture as it should be looked at, row by row: cut, and mirrored or upside down as `Meta.orientation` says.

    Not for an orientation that makes rows of columns.
    """

    def __init__(self, picture: Picture, meta: Meta) -> None:
        area = scaled_crop(meta, picture.shape[:2])
        rows, self._columns = area.slices
        self._picture, self._orientation = picture, meta.orientation
        self._rows = orient(np.arange(rows.start, rows.stop)[:, None], meta.orientation)[:, 0]
        self.shape, self.dtype = (area.height, area.width, *picture.shape[2:]), picture.dtype

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Compute rows in this thread."""
        ours = self._rows[rows]
        part = self._picture[int(ours.min()) : int(ours.max()) + 1]
        return orient(part[:, self._columns], self._orientation)
