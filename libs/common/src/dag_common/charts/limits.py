"""How big a chart may be. One value, so that every refusal names the same numbers."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes. 5 MiB a file and 100 MiB in all are Helm's own limits (helm, `pkg/chart/loader/archive`).

    Source-controller refuses charts over 10 MiB as well (fluxcd/source-controller, `internal/helm/helm.go`).
    `ratio` holds once more than `ratio_from` was unpacked: small charts full of zeros are not bombs.
    """

    upload: int = 10 * MIB
    unpacked: int = 100 * MIB
    ratio: int = 200
    ratio_from: int = 4 * MIB
    members: int = 10_000
    file: int = 5 * MIB
    extended_header: int = 64 * KIB
    path: int = 1024
    component: int = 255
    depth: int = 32


DEFAULT = Limits()


def in_words(size: int) -> str:
    """A size as people say it: `10 MiB`, `64 KiB`, `12 bytes`."""
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"
