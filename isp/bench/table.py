"""Tables of measurements: rows of plain values for JSON, and the columns that Markdown shows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Row = dict[str, Any]


class Column(NamedTuple):
    """A title, and what stands below it for a row that has it."""

    title: str
    cell: Callable[[Row], str]


@dataclass(frozen=True)
class Table:
    """A title, what a reader must know, columns and rows; a row with "failed" shows the reason instead of figures."""

    title: str
    note: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def markdown(self) -> str:
        """Return the table as Markdown, its columns aligned for those who read it as it is."""
        lines = [[column.title for column in self.columns], *map(self._cells, self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
        aligned = [
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
            for line in lines
        ]
        body = "\n".join(f"| {' | '.join(line)} |" for line in (aligned[0], rule, *aligned[1:]))
        return "\n\n".join(part for part in (f"### {self.title}", self.note, body) if part) + "\n"

    def plain(self) -> Row:
        """Return the table as values that JSON holds."""
        return {"title": self.title, "note": self.note, "rows": list(self.rows)}

    def _cells(self, row: Row) -> list[str]:
        cells = [column.cell(row) for column in self.columns]
        if "failed" in row:
            cells[-1] = f"failed: {row['failed']}".replace("|", "/")
        return cells


def text(title: str, key: str) -> Column:
    """Return a column of words."""
    return Column(title, lambda row: str(row.get(key) or ""))


def number(title: str, key: str, form: str = ".0f", scale: float = 1.0) -> Column:
    """Return a column of numbers in another unit: value times `scale`."""
    return Column(title, lambda row: "" if row.get(key) is None else format(row[key] * scale, form))


def span(title: str, low: str, high: str, form: str, scale: float = 1.0) -> Column:
    """Return a column of ranges."""
    return Column(title, lambda row: f"{row[low] * scale:{form}}..{row[high] * scale:{form}}" if low in row else "")


MILLISECONDS = (number("ms", "s", ".1f", 1e3), span("range", "low_s", "high_s", ".1f", 1e3))
CPU = number("CPU ms", "cpu", ".1f", 1e3)
SECONDS = (number("s", "s", ".3f"), span("range", "low_s", "high_s", ".3f"))
SPEED = number("MP/s", "mp_per_s")
AGAINST_OURS = (
    number("its time / ours", "ratio", ".2f"), span("quartiles", "ratio_low", "ratio_high", ".2f"),
    number("ours / its time", "share", ".3f"),
)  # fmt: skip
TURNS = number("turns", "turns")
WORK = (text("compared with", "against"), text("work", "work"))


def with_speed(rows: Sequence[Row], megapixels: float) -> list[Row]:
    """Return rows with their megapixels per second."""
    return [row | {"mp_per_s": megapixels / row["s"]} if "s" in row else row for row in rows]
