r"""Rust's regular expressions, as far as they mean the same everywhere.

A pattern is read to the last sign and written anew in what RE2 and PostgreSQL's own dialect share.
Only whether a text has a match is asked, so greediness and groups that capture mean nothing; what
may mean something else (`\w`, `\b`, flags, sets of sets) is refused. What Rust calls a digit or a
blank is spelled out, sign by sign, as Polars itself says it.
"""

import functools
from typing import Final

import polars as pl

from opsintel_dagster.verification.engines.refusals import NotTranslatedError

_SIGNS: Final = frozenset("\\.+*?()|[]{}^$-&~#/ ")
"""Signs that stand for themselves after a backslash, in Rust as elsewhere."""
_CONTROL: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}
_ASCII_CLASSES: Final = {
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "alpha": "A-Za-z",
    "alnum": "0-9A-Za-z",
    "xdigit": "0-9A-Fa-f",
}
_FIX: Final = "Say the same with plain signs, sets like [0-9A-Za-z_], groups and repeats"


def common_pattern(pattern: str, most_repeats: int) -> str:
    """The pattern as every engine reads it.

    Raises:
        NotTranslatedError: It has a part that engines read differently.
    """
    reader = _Reader(pattern, most_repeats)
    written = reader.alternatives()
    if reader.rest:
        raise reader.refusal(reader.rest[0])
    # PostgreSQL would read options where a pattern begins with `***` or `(?x)`.
    return f"(?:{written})"


@functools.cache
def _ranges_of(sign: str) -> str:
    r"""The members of `\d` or `\s`, in a form that goes into a set."""
    every = [chr(i) for i in range(1, 0x110000) if not 0xD800 <= i <= 0xDFFF]
    texts = pl.Series(every)
    codes = [ord(one) for one in texts.filter(texts.str.contains(rf"^\{sign}$"))]
    ranges: list[tuple[int, int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = ranges[-1][0], code
        else:
            ranges.append((code, code))
    return "".join(chr(low) if low == high else f"{chr(low)}-{chr(high)}" for low, high in ranges)


class _Reader:
    """Reads a pattern from left to right and writes what was read."""

    def __init__(self, pattern: str, most_repeats: int) -> None:
        self.pattern = pattern
        self.rest = pattern
        self.most_repeats = most_repeats
        self.depth = 0

    def refusal(self, part: str) -> NotTranslatedError:
        reason = f"engines do not read {part!r} of the pattern {self.pattern!r} alike"
        return NotTranslatedError(reason, _FIX)

    def take(self, count: int = 1) -> str:
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def alternatives(self) -> str:
        branches = [self.branch()]
        while self.rest.startswith("|"):
            self.take()
            branches.append(self.branch())
        if len(branches) > 1 and not all(branches):
            raise self.refusal("|")
        return "|".join(branches)

    def branch(self) -> str:
        written = ""
        while self.rest and self.rest[0] not in "|)":
            self.refuse_misplaced(written)
            atom, is_repeatable = self.atom()
            repeat = self.repeat()
            if repeat and not is_repeatable:
                raise self.refusal(atom + repeat)
            written += atom + repeat
        return written

    def refuse_misplaced(self, before: str) -> None:
        """An anchor elsewhere than at its end is legal, and DuckDB's optimizer mistakes it."""
        sign, after = self.rest[0], self.rest[1:2]
        is_misplaced = before if sign == "^" else after not in {"", "|"}
        if sign in "^$" and (self.depth or is_misplaced):
            raise self.refusal(sign)

    def atom(self) -> tuple[str, bool]:
        sign = self.take()
        match sign:
            case "^" | "$":
                return sign, False
            case ".":
                return "[^\n]", True
            case "(":
                return self.group(), True
            case "[":
                return self.set(), True
            case "\\":
                return self.escape(), True
            case "*" | "+" | "?" | "{" | "}" | "]":
                raise self.refusal(sign)
        return _literal(sign), True

    def group(self) -> str:
        if self.rest.startswith("?:"):
            self.take(2)
        elif self.rest.startswith(("?P<", "?<")) and ">" in self.rest:
            name = self.take(self.rest.index(">") + 1)
            if not name.removeprefix("?P<").removeprefix("?<").removesuffix(">").isidentifier():
                raise self.refusal(name)
        elif self.rest.startswith("?"):
            raise self.refusal("(" + self.rest[:2])
        self.depth += 1
        inner = self.alternatives()
        self.depth -= 1
        if self.take() != ")" or not inner:
            raise self.refusal("(")
        return f"(?:{inner})"

    def escape(self) -> str:
        sign = self.take()
        if sign in {"d", "s"}:
            return f"[{_ranges_of(sign)}]"
        if sign in {"D", "S"}:
            return f"[^{_ranges_of(sign.lower())}]"
        return _literal(self.escaped(sign))

    def escaped(self, sign: str) -> str:
        if sign in _CONTROL:
            return _CONTROL[sign]
        if sign and sign in _SIGNS:
            return sign
        raise self.refusal("\\" + sign)

    def set(self) -> str:
        is_negated = self.rest.startswith("^")
        if is_negated:
            self.take()
        members = ""
        while True:
            if self.rest.startswith("]") and members:
                self.take()
                return f"[{'^' if is_negated else ''}{members}]"
            members += self.member()

    def member(self) -> str:
        if self.rest.startswith("[:"):
            name = self.take(self.rest.find(":]") + 2)[2:-2]
            if name not in _ASCII_CLASSES:
                raise self.refusal(f"[:{name}:]")
            return _ASCII_CLASSES[name]
        if self.rest.startswith(("\\d", "\\s")):
            return _ranges_of(self.take(2)[1])
        low = self.one_of_set()
        if self.rest.startswith("-") and not self.rest.startswith("-]"):
            self.take()
            high = self.one_of_set()
            if high < low:
                raise self.refusal(f"{low}-{high}")
            return f"{_in_set(low)}-{_in_set(high)}"
        return _in_set(low)

    def one_of_set(self) -> str:
        sign = self.take()
        if sign == "\\":
            return self.escaped(self.take())
        is_operator = bool(self.rest) and sign == self.rest[0] and sign in "&-~"
        if sign in {"", "[", "]", "^"} or is_operator:
            raise self.refusal(sign or "[")
        return sign

    def repeat(self) -> str:
        written = ""
        if self.rest and self.rest[0] in "*+?":
            written = self.take()
        elif self.rest.startswith("{"):
            written = self.take(self.rest.find("}") + 1)
            bounds = written[1:-1].split(",")
            digits = [bound for bound in bounds if bound]
            if (
                len(bounds) > 2
                or not bounds[0]
                or not all(bound.isascii() and bound.isdecimal() for bound in digits)
                or any(int(bound) > self.most_repeats for bound in digits)
            ):
                raise self.refusal(written or "{")
        if written and self.rest.startswith("?"):
            self.take()  # lazy: which match is found first does not matter
        if written and self.rest and self.rest[0] in "*+?{":
            raise self.refusal(written + self.rest[0])
        return written


def _literal(sign: str) -> str:
    return f"\\{sign}" if sign in _SIGNS and sign not in "-&~#/ " else sign


def _in_set(sign: str) -> str:
    return f"\\{sign}" if sign in "\\[]^-" else sign
