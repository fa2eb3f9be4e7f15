"""Reads a raw file in a process of its own: whatever LibRaw does of it, the caller gets a frame or one clear error."""

from isp.isolation.reader import Reading, read_isolated, stop

__all__ = ["Reading", "read_isolated", "stop"]
