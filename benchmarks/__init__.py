"""Measurements beside the peers, run by hand; never part of the tests."""
