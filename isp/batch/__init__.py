"""Whole folders of raw files to pictures: resumed truthfully, on one machine or on several."""

from isp.batch.decision import Rules
from isp.batch.item import Item, Result
from isp.batch.run import Options, Survey, run, survey
from isp.batch.sources import Choice

__all__ = ["Choice", "Item", "Options", "Result", "Rules", "Survey", "run", "survey"]
