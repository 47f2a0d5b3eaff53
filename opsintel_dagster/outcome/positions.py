"""Where the parts of a declaration stand in its YAML text."""

from collections.abc import Iterator
from typing import Any

import yaml

from opsintel_dagster.errors import DeclarationError
from opsintel_dagster.outcome.findings import FieldPath, Finding, Positions, field_path

_MERGE = "tag:yaml.org,2002:merge"


def read_positions(
    text: str, *, source: str, under: FieldPath = (), document: int = 0
) -> Positions:
    """Read where every path of a YAML text stands, as `source:line:column`, counted from one.

    An entry of a mapping stands where its key does, an item of a list where it begins.

    Args:
        text: The YAML text.
        source: How the file is called in findings.
        under: The path below which the declaration lies, `("attributes",)` in a `defs.yaml`; the
            paths given back are relative to it.
        document: Which of the documents separated by `---`.

    Raises:
        DeclarationError: The text is not YAML, or a mapping holds a key twice (YAML's own readers
            silently keep the last, and a whole receiver would be gone).
    """
    root = _document(text, source, document)
    positions: dict[FieldPath, str] = {}
    twice: list[Finding] = []
    if root is not None:
        for path, node, is_repeated in _walk(root, (), frozenset()):
            position = f"{source}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"
            if is_repeated:
                where = field_path(source, path)
                twice.append(Finding(where, "is written twice", "remove one of them", position))
            else:
                positions.setdefault(path, position)
    if twice:
        raise DeclarationError(twice)
    depth = len(under)
    return {path[depth:]: at for path, at in positions.items() if path[:depth] == under}


def _document(text: str, source: str, document: int) -> Any:
    try:
        roots = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        position = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else None
        what = f"this is not YAML ({getattr(error, 'problem', None) or 'it cannot be read'})"
        fix = "correct the indentation, quotes or brackets there"
        raise DeclarationError([Finding(source, what, fix, position)]) from None
    return roots[document] if document < len(roots) else None


def _walk(
    node: Any, path: FieldPath, open_nodes: frozenset[int]
) -> Iterator[tuple[FieldPath, Any, bool]]:
    """Give each path with the node it stands at, and whether the same key stood there before.

    `open_nodes` are the nodes around this one: an anchor may contain an alias of itself.
    """
    if not path:
        yield path, node, False
    if id(node) in open_nodes:
        return
    inside = open_nodes | {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item, False
            yield from _walk(item, (*path, index), inside)
    elif isinstance(node, yaml.MappingNode):
        yield from _walk_mapping(node, path, inside)


def _walk_mapping(
    node: Any, path: FieldPath, inside: frozenset[int]
) -> Iterator[tuple[FieldPath, Any, bool]]:
    own: set[str] = set()
    merged: list[Any] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            merged.extend(value.value if isinstance(value, yaml.SequenceNode) else [value])
            continue
        name = str(key.value)
        yield (*path, name), key, name in own
        own.add(name)
        yield from _walk(value, (*path, name), inside)
    for layer in merged:  # last, so that what is written here keeps its own position
        if id(layer) not in inside and isinstance(layer, yaml.MappingNode):
            yield from _walk_mapping(layer, path, inside | {id(layer)})
