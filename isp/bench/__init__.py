"""Measuring: what `isp bench` shows, and what it shares with `python -m benchmarks`."""
