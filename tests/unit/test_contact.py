"""Who may say that a rollout is nobody's: only who could have heard the others all the while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from dag_monitor.domain.contact import LONGEST_GAP, Contact

BEGIN = datetime(2026, 9, 1, 10, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def after(*answers: float) -> Contact:
    contact = Contact.begun(at(answers[0]))
    for answer in answers[1:]:
        contact = contact.heard(at(answer))
    return contact


def test_contact_lasts_as_long_as_answers_come() -> None:
    assert after(0, 1, 2, 3).lasting(at(3.5)) == timedelta(seconds=3.5)


def test_after_an_outage_contact_begins_anew() -> None:
    assert after(0, 1, 20, 21).lasting(at(21)) == timedelta(seconds=1)


def test_while_nothing_is_heard_there_is_no_contact() -> None:
    assert after(0, 1, 2).lasting(at(10)) == timedelta(0)


def test_a_step_of_the_databases_clock_ends_contact() -> None:
    assert after(0, 1, 3601, 3602).lasting(at(3602)) == timedelta(seconds=1)
    assert after(3600, 3601, 1, 2).lasting(at(2)) == timedelta(seconds=1)


@given(st.lists(st.floats(0.1, 5.0), min_size=1, max_size=30))
def test_contact_never_covers_a_gap_in_which_others_may_have_been_silent(gaps: list[float]) -> None:
    answers = list(accumulate(gaps, initial=0.0))
    heard = [at(answer) for answer in answers]
    since = heard[-1] - after(*answers).lasting(heard[-1])
    covered = [moment for moment in heard if moment >= since]
    assert all(later - earlier <= LONGEST_GAP for earlier, later in pairwise(covered))
