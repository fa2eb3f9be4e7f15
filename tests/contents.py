"""A whole file in one call, written as pictures are."""

from isp.atomic import atomic_file


def atomic_write(path, content, *, overwrite=False):
    with atomic_file(path, overwrite=overwrite) as file:
        file.write(content)
