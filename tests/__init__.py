"""Tests; a package so that they can share helpers under pytest's importlib mode."""
