"""Times and sizes as one reads them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Return a time with its unit.

    Parameters
    ----------
    seconds : float
        Not negative.

    Returns
    -------
    str
        Two units at most.

    Examples
    --------
    >>> duration(0.042), duration(4.21), duration(59.6), duration(192), duration(7000)
    ('42 ms', '4.2 s', '1 min 0 s', '3 min 12 s', '1 h 56 min')
    """
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(count: float) -> str:
    """Return a number of bytes with its unit.

    Parameters
    ----------
    count : float
        Bytes.

    Returns
    -------
    str
        Three digits and a power of 1000.

    Examples
    --------
    >>> size(0), size(999), size(2_345_678), size(99_960_000), size(1.5e12)
    ('0 bytes', '999 bytes', '2.3 MB', '100 MB', '1.5 TB')
    """
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5 or unit == "TB":
            break
    return f"{count:.1f} {unit}" if count < 99.95 else f"{count:.0f} {unit}"
