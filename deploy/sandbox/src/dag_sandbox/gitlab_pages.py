"""What the GitLab double shows a browser: its jobs, and one of them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from dag_sandbox.gitlab_jobs import Job

_HEAD = '<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1>\n'
_LATEST = 50


def front_page(jobs: Iterable[Job], base_url: str) -> str:
    """The jobs there are, the newest first, at most 50."""
    newest = sorted(jobs, key=lambda job: job.id, reverse=True)[:_LATEST]
    items = "".join(f"<li>{_link(job, base_url)}: {escape(job.project)}, {escape(job.ref)}</li>\n" for job in newest)
    return _HEAD.format(title="CI jobs of the sandbox") + (f"<ul>\n{items}</ul>\n" if items else "<p>None yet.</p>\n")


def job_page(job: Job) -> str:
    """What there is to know of a job; never its token."""
    facts = {
        "Project": job.project,
        "Tag" if job.tag else "Branch": job.ref,
        "Commit": job.sha,
        "Status": job.status,
        "Started by": f"{job.user} ({job.source})",
        "Started at": job.created_at.isoformat(timespec="seconds"),
    }
    rows = "".join(f"<tr><th>{name}<td>{escape(value)}</tr>\n" for name, value in facts.items())
    note = "<p>The sandbox runs no jobs: this one is whoever holds its token.</p>\n"
    return _HEAD.format(title=f"Job {job.id}") + f"<table>\n{rows}</table>\n{note}"


def _link(job: Job, base_url: str) -> str:
    return f'<a href="{escape(base_url)}/{escape(job.project)}/-/jobs/{job.id}">Job {job.id}</a>'
