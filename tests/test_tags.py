"""Times in EXIF: those that Python's own `strptime` takes, since there are digital cameras."""

from datetime import datetime
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from isp.tags import read_story

number = st.one_of(st.integers(0, 99).map(str), st.integers(0, 61).map("{:02}".format), st.sampled_from(["", " ", "x"]))
texts = st.tuples(st.integers(1900, 2100).map(str), *[number] * 5).map(lambda n: "{}:{}:{} {}:{}:{}".format(*n))


def taken(text):
    return read_story({"EXIF DateTimeOriginal": SimpleNamespace(values=text)}).time


def expected(text):
    try:
        stamp = datetime.strptime(text, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return text if stamp.year >= 1985 else None


@given(st.one_of(texts, st.datetimes().map("{:%Y:%m:%d %H:%M:%S}".format)))
@example("2024:02:29 23:59:59")
@example("2023:02:29 00:00:00")
@example("2024:1:2 3:4:5")
@example("2024:01:02  03:04:05")
@example("٢٠٢٤:01:02 03:04:05")  # digits, but not those of EXIF
@example("0000:00:00 00:00:00")
def test_times_are_those_of_strptime(text):
    assert taken(text) == expected(text) or not text.isascii()
    assert taken(text) in (text, None)


@pytest.mark.parametrize("text", ["2003: 1: 2 10: 4: 5", "2003:10: 2 10:04:05"])
def test_times_padded_with_blanks(text):
    assert taken(text) == text
