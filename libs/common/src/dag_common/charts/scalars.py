"""Plain YAML scalars as Helm resolves them, and mapping keys as Helm writes them into JSON.

Helm reads YAML with sigs.k8s.io/yaml, which resolves YAML 1.1 in go-yaml's way (kubernetes-sigs/yaml,
`goyaml.v2/resolve.go`): `yes`, `on` and `y` are booleans, `1:30` and dates stay text, `010` is eight.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

_NULLS: dict[str, Scalar] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_BOOLEANS: dict[str, Scalar] = {
    spelling: truth
    for truth, words in ((True, ("y", "yes", "true", "on")), (False, ("n", "no", "false", "off")))
    for word in words
    for spelling in (word, word.capitalize(), word.upper())
}
_NOT_FINITE: dict[str, Scalar] = {
    sign + spelling: float(sign + spelling[1:])
    for sign, spellings in (
        ("", (".nan", ".NaN", ".NAN")),
        *((sign, (".inf", ".Inf", ".INF")) for sign in ("", "+", "-")),
    )
    for spelling in spellings
}
_WORDS = _NULLS | _BOOLEANS | _NOT_FINITE
_BASES = (
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), 10),
    (re.compile(r"[-+]?0[xX][0-9a-fA-F]+"), 16),
    (re.compile(r"[-+]?0[oO]?[0-7]+"), 8),
    (re.compile(r"[-+]?0[bB][01]+"), 2),
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST_INTEGER = 400  # past every number a float holds; go-yaml reads those as text


def resolve(text: str) -> Scalar:
    """The value of an unquoted, untagged scalar. `.inf` and `.nan` come out as floats: JSON has no such numbers.

    Integers are exact whatever their size. A number too large for a float is text, as for go-yaml.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "+-0123456789":
        return _number(text.replace("_", ""), text)
    return _number(text, text) if text[0] == "." else text


def _number(plain: str, text: str) -> Scalar:
    if len(plain) <= _LONGEST_INTEGER:
        for pattern, base in _BASES:
            if pattern.fullmatch(plain):
                return int(plain, base)
    if not _FLOAT.fullmatch(plain):
        return text
    number = float(plain)
    return number if math.isfinite(number) else text


def key_text(value: Scalar) -> str:
    """The text of a value where Helm needs text: keys, and fields of Chart.yaml. `true`, `8080`, `1.1` for 1.10."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _shortest(value)
    return str(value)


def _shortest(value: float) -> str:
    """Go's shortest form of a float (`strconv.FormatFloat`, format g): 2.0 is `2`, a million is `1e+06`."""
    for digits in range(6, 17):
        if float(text := f"{value:.{digits}g}") == value:
            return text
    return f"{value:.17g}"
