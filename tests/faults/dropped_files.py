"""What is dropped into the laboratory's inbox, and where a person would look for each record.

Nothing of the ledger is asked: the files say it all. A parcel stands in one file only (and in its
corrections and copies), and a correction mends a record or changes its weight; so the last version
of a file says where each of its parcels must be in the end, whichever versions were read.
"""

import random
from dataclasses import dataclass, field, replace
from typing import Final

from faulty_receiver import POISON
from scenario import HEADER

WEIGHTS: Final = ("5", "5", "5", "40", "40", "0", "-1", "heavy")
DEPOTS: Final = ("HAM", "HAM", "BER", "XXX")
NOTES: Final = ("", "", "", "", "desk", "desk", POISON)


@dataclass(frozen=True)
class Line:
    """One record."""

    parcel: str
    depot: str
    weight: str
    note: str

    @property
    def text(self) -> str:
        """As it stands in the file."""
        return f"{self.parcel},{self.depot},{self.weight},{self.note}\n"

    @property
    def number(self) -> int | None:
        """Its weight; None: it has none that counts."""
        return int(self.weight) if self.weight.isdigit() else None

    def place(self, register: set[str]) -> str:
        """Where the record belongs: a desk, nowhere, or open in quarantine."""
        if self.number is None or self.depot not in register:
            return "open"
        if self.number == 0:
            return "nowhere"
        if self.note == POISON:
            return "open"
        if self.note == "desk":
            return "desk"
        return "freight" if self.number >= 30 else "gate"

    def mended(self) -> "Line":
        """The same parcel as a correction tells of it."""
        if self.number is None:
            return replace(self, weight="5")
        if self.note == POISON:
            return replace(self, note="")
        return self if self.number == 0 else replace(self, weight=str(self.number + 1))


@dataclass
class Dropped:
    """All files that were dropped, as they stand now."""

    files: dict[str, list[Line]] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)
    """Files that no correction may touch any more: there is a copy of them."""
    _count: int = 0

    def new(self, chance: random.Random) -> str:
        """A new file; returns its name."""
        self._count += 1
        number = self._count
        self.files[f"f{number:02}.csv"] = [
            Line(
                f"P{number:02}{row:02}",
                chance.choice(DEPOTS),
                chance.choice(WEIGHTS),
                chance.choice(NOTES),
            )
            for row in range(chance.randint(0, 6))
        ]
        return f"f{number:02}.csv"

    def correct(self, chance: random.Random) -> str | None:
        """Some records of a file are told differently; returns its name, if there is one."""
        names = [name for name, lines in self.files.items() if lines and name not in self.fixed]
        if not names:
            return None
        name = chance.choice(names)
        lines = self.files[name]
        self.files[name] = [line.mended() if chance.random() < 0.4 else line for line in lines]
        return name

    def copy(self, chance: random.Random) -> str | None:
        """A file comes once more under another name; returns that."""
        if not self.files:
            return None
        name = chance.choice(sorted(self.files))
        self._count += 1
        copied = f"c{self._count:02}.csv"
        self.files[copied] = self.files[name]
        self.fixed |= {name, copied}
        return copied

    def grow(self, name: str) -> str:
        """The line a file gains while it is read."""
        line = Line(f"G{name[1:3]}", "HAM", "7", "")
        self.files[name] = [*self.files[name], line]
        self.fixed.add(name)
        return line.text

    def content(self, name: str) -> str:
        """A file as it stands now."""
        return HEADER + "".join(line.text for line in self.files[name])

    def expected(self, register: set[str]) -> dict[str, dict[str, int]]:
        """The weight of each parcel by the place it must be at; in quarantine it does not count."""
        places: dict[str, dict[str, int]] = {
            place: {} for place in ("gate", "freight", "desk", "open", "nowhere")
        }
        for lines in self.files.values():
            for line in lines:
                places[line.place(register)][line.parcel] = line.number or 0
        return places
