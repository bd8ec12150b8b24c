"""Places of a YAML document that show elsewhere too, by anchor and alias or by merge key, made places of their own.

Helm knows no such sharing: it reads values.yaml with everything written out.
"""

from __future__ import annotations

import copy
from typing import Any

from ruamel.yaml.anchor import Anchor
from ruamel.yaml.comments import Comment, CommentedMap, CommentedSeq, Format
from ruamel.yaml.mergevalue import merge_attrib
from ruamel.yaml.tag import Tag


def key_of(mapping: CommentedMap, key: Any) -> Any:
    """The key of `mapping` that is `key` to Helm, which has only texts for keys; `key` itself if there is none.

    So `1: a` is what `--set 1=b` changes (kubernetes-sigs/yaml `yaml.go`, `convertToJSONableObject`).
    """
    if key in mapping:
        return key
    return next((known for known in mapping if _text(known) == _text(key)), key)


def own(parent: CommentedMap, key: Any) -> CommentedMap:
    """The mapping below `key`, written out before anything in it is changed if it may show elsewhere."""
    child: CommentedMap = parent[key]
    if child.anchor.value is not None or _merged(parent, key):
        child = parent[key] = written_out(child)
    return child


def written_out(value: Any) -> Any:
    """A copy that shares nothing and refers to nothing: no anchors, aliases and merge keys; comments and style stay."""
    if isinstance(value, CommentedMap):
        return _styled(CommentedMap((key, written_out(item)) for key, item in value.items()), value)
    if isinstance(value, CommentedSeq):
        return _styled(CommentedSeq(written_out(item) for item in value), value)
    return _anchorless(copy.deepcopy(value))


def _merged(parent: CommentedMap, key: Any) -> bool:
    """Whether a key comes from a merge key alone."""
    return bool(getattr(parent, merge_attrib, ())) and all(key != known for known, _ in parent.non_merged_items())


def _styled(fresh: Any, value: Any) -> Any:
    for attribute in (Comment.attrib, Format.attrib, Tag.attrib):
        if hasattr(value, attribute):
            setattr(fresh, attribute, copy.deepcopy(getattr(value, attribute)))
    return fresh


def _anchorless(scalar: Any) -> Any:
    if hasattr(scalar, Anchor.attrib):
        delattr(scalar, Anchor.attrib)
    return scalar


def _text(key: Any) -> Any:
    if isinstance(key, str):
        return str(key)
    if isinstance(key, bool):
        return str(key).lower()
    return repr(float(key)).removesuffix(".0") if isinstance(key, float) else str(key)
