"""Whole folders of raw files to pictures: resumed truthfully, on one machine or on several."""
