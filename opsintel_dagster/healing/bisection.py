"""Finding the few records of a batch that a receiver refuses, by halving what it refuses.

A part is named by the turns that lead to it: `""` is everything, `"0"` its first half, `"01"` the
second half of that. So it is the same records whenever it is asked for, and k bad ones among n are
found with O(k log n) deliveries.
"""


def rows_of(part: str, count: int) -> tuple[int, int]:
    """Where a part of `count` rows begins, and how many rows it has."""
    start, length = 0, count
    for turn in part:
        half = (length + 1) // 2
        start, length = (start, half) if turn == "0" else (start + half, length - half)
    return start, length


def halves(part: str) -> tuple[str, str]:
    """The two parts a refused part falls into; it must have more than one row."""
    return f"{part}0", f"{part}1"
