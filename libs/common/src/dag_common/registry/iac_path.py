"""The directory of a chart inside an IaC repository, checked where it is used."""

from __future__ import annotations

from dag_common.errors import Invalid


def check_iac_path(path: str) -> str:
    """The path in git's form (`apps/shop`): no leading, trailing or doubled slashes, no `.` segments.

    Raises `Invalid` if it is absolute, climbs with `..`, names a `.git` directory, or is the repository itself
    (the chart directory is replaced as a whole, which would empty the repository). A symlink on the way is not
    seen here: whoever reads the tree checks that.
    """
    if path.startswith("/") or "\\" in path or not path.isprintable():
        raise Invalid(
            f"the IaC path {path!r} resolves outside the repository: expected a relative path such as apps/shop"
        )
    segments = [segment for segment in path.split("/") if segment not in {"", "."}]
    if ".." in segments:
        raise Invalid(f"the IaC path {path!r} resolves outside the repository: it climbs with ..")
    if any(segment.casefold() == ".git" for segment in segments):
        raise Invalid(f"the IaC path {path!r} leads into git's own files")
    if not segments:
        raise Invalid(f"the IaC path {path!r} is the repository itself: expected a directory such as apps/shop")
    return "/".join(segments)
