"""Why a record could not be read: the reason codes of the column `_problem`."""

from enum import StrEnum


class Problem(StrEnum):
    """What is wrong with a record that is kept as text instead of as cells."""

    RAGGED = "ragged"
    """It has more or fewer cells than the header has names."""
    ENCODING = "encoding"
    """Its bytes are no text in the declared encoding; `_text` shows them as `\\xNN`."""
    NUL = "nul"
    """It carries a NUL character, which no receiver stores and no writer means."""
    UNCLOSED_QUOTE = "unclosed_quote"
    """A quote opens here and is not closed sensibly; reading resumes on the next line."""
    MALFORMED = "malformed"
    """It breaks the grammar of its format in another way."""
    TRUNCATED = "truncated"
    """The file ends in the middle of it."""
