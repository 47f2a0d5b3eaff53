"""Reads the chain of exceptions from a text that somebody pasted.

Python writes the innermost exception first and joins them by two sentences; Dagster writes the
outermost first, joins them by two others, and puts `Stack Trace:` after the message. Both may stand
in one text, among lines of a log.
"""

import re
from collections.abc import Iterator
from typing import Final

from opsintel_dagster.healing.failure import Link, link_of_text
from opsintel_dagster.healing.shipped_table import builtin_ancestors

LONGEST_TEXT: Final = 2_000_000

_OUTER_COMES: Final = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
_INNER_COMES: Final = (
    "The above exception was caused by the following exception:",
    "The above exception occurred during handling of the following exception:",
)
_STACK: Final = "Stack Trace:"
_HEAD: Final = re.compile(r"(?:\+ )?(?:Exception Group )?Traceback \(most recent call last\):$")
_MEMBER: Final = re.compile(r"\s*\+-\+?-+(?: (?:\d+|\.\.\.) -+)?$")
_IN_GROUP: Final = re.compile(r"\s*\| ?")
_EXCEPTION: Final = re.compile(
    r"(?P<path>(?:[^\W\d]\w*\.|<locals>\.)*[^\W\d]\w*)(?::(?: (?P<message>.*))?)?$"
)
_LOOKS_RAISED: Final = re.compile(
    r"(Error|Exception|Warning|Interrupt|Exit|Timeout|Failure|Group|Down|Refused|InDoubt)$"
)
_LOG_LINE: Final = re.compile(r"\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d")


def links_of_text(text: str) -> tuple[Link, ...]:
    """The chain a text tells of, outermost first; empty if it tells of no exception.

    Only what was printed is known: of each class its name without its ancestors, and of an answer
    what its message says.
    """
    chain: list[Link] = []
    members: list[Link] = []
    for is_member, lines in _sections(text[:LONGEST_TEXT]):
        links = _chain_of(lines)
        if is_member:
            members += links
        else:
            chain = links
    return (*chain, *members)


def link_of_stored(message: str, class_name: str | None) -> Link:
    """A link of an exception that Dagster stored: its class, and `path: message` as printed.

    The bare name is kept where the message does not begin with the class.
    """
    first, _, more = message.partition("\n")
    found = _EXCEPTION.match(first)
    if found is not None and class_name and found["path"].rpartition(".")[2] == class_name:
        return _link(found, more.split("\n"))
    return link_of_text(class_name, message.strip())


def _sections(text: str) -> Iterator[tuple[bool, list[str]]]:
    """The lines of a text, and of each member of a group in it, without the frame around them."""
    lines: list[str] = []
    is_member = False
    for raw in re.split(r"\r?\n", text):
        if _MEMBER.match(raw):
            yield is_member, lines
            is_member, lines = True, []
            continue
        lines.append(_IN_GROUP.sub("", raw, count=1) if _IN_GROUP.match(raw) else raw)
    yield is_member, lines


def _chain_of(lines: list[str]) -> list[Link]:
    """The exceptions of a chain, whichever way round it is written."""
    chain: list[Link] = []
    block: list[str] = []
    is_outer = False
    for line in [*lines, None]:
        joint = line.strip() if line is not None else None
        if joint is not None and joint not in _OUTER_COMES and joint not in _INNER_COMES:
            block.append(str(line))
            continue
        found = _raised_in(block)
        chain = [*found, *chain] if is_outer else [*chain, *found]
        block, is_outer = [], joint in _OUTER_COMES
    return chain


def _raised_in(lines: list[str]) -> list[Link]:
    """The exceptions of a block: one, or two where Dagster shows the error of a step."""
    heads = [at for at, line in enumerate(lines) if _HEAD.match(line.strip())]
    if heads:
        return _after_frames(lines[heads[-1] + 1 :])
    stack = next((at for at, line in enumerate(lines) if line.strip() == _STACK), len(lines))
    return _before_stack(lines[:stack])


def _after_frames(lines: list[str]) -> list[Link]:
    """Python's way: indented frames, then the class and the message until the end."""
    for at, line in enumerate(lines):
        found = _EXCEPTION.match(line) if line[:1].strip() else None
        if found is not None:
            return [_link(found, _until_log_line(lines[at + 1 :]))]
    return []


def _before_stack(lines: list[str]) -> list[Link]:
    """Dagster's way, and the last line of a traceback alone: the message, and nothing before it."""
    starts: list[tuple[int, re.Match[str]]] = []
    for at, line in enumerate(lines):
        found = _EXCEPTION.match(line)
        is_start = at == 0 or not lines[at - 1].strip() or not starts
        if found is not None and is_start and _is_raised(found):
            starts.append((at, found))
    ends = [*(at for at, _ in starts[1:]), len(lines)]
    return [
        _link(found, _until_log_line(lines[at + 1 : end]))
        for (at, found), end in zip(starts, ends, strict=False)
    ]


def _is_raised(found: re.Match[str]) -> bool:
    """Whether a line that stands alone names an exception, and is no sentence with a colon."""
    path = found["path"]
    name = path.rpartition(".")[2]
    is_known = bool(builtin_ancestors(name)) or _LOOKS_RAISED.search(name) is not None
    is_class = "." in path and (name[:1].isupper() or name.endswith("error"))
    return is_known or is_class


def _until_log_line(lines: list[str]) -> list[str]:
    end = next((at for at, line in enumerate(lines) if _LOG_LINE.match(line)), len(lines))
    return lines[:end]


def _link(found: re.Match[str], more: list[str]) -> Link:
    message = "\n".join([found["message"] or "", *more]).strip()
    return link_of_text(found["path"], message)
