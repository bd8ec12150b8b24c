"""A deployment under any interleaving of the handlers that ship: stale states, duplicates, deaths and lost answers.

Replicas hold no locks here, so what is shown rests on the log's expected version and git's compare-and-swap alone.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Final

from deployment_requests import CHARTS, PLACES, asked
from deployment_world import LANES, World
from depth import trying_slowly
from examples import EVIDENCE
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from log_model import stream_name
from standing_workers import Worker

from dag_common.contracts.codec import decode, decode_record, encode_record
from dag_common.contracts.envelope import Recorded
from dag_common.contracts.events import (
    ChartPushed,
    DeploymentFailed,
    DeploymentId,
    DeploymentRequested,
    Event,
    MonitoringStarted,
    RolloutFailed,
    RolloutSucceeded,
)
from dag_common.domain.deployment import Deployment, evolve, load
from dag_common.domain.statuses import Status
from dag_common.store.todo import Lane
from dag_monitor.domain.verdict import Failed, Progressing, Succeeded, Superseded, Verdict
from dag_pusher.domain.message import Trailers, read_trailers

OBJECTS = tempfile.TemporaryDirectory()
"""One object database for every run: objects are named by what they hold, so runs do not see each other's."""

AT_WORK: Final = 6
REQUESTS: Final = 8
STEPS = st.integers(0, 12)
VERDICTS: dict[str, Verdict] = {
    "good": Succeeded("podinfo runs", EVIDENCE),
    "bad": Failed("upgrade-failed", "context deadline exceeded", EVIDENCE),
    "taken": Superseded("0199-newer", "1.2.4", "b" * 40, "chart 1.2.4 took over", EVIDENCE),
    "one": Progressing("one"),
    "two": Progressing("two"),
}


TARGETS = [each.id for _, _, targets in PLACES for each in targets]
PLACE, CHART = st.integers(0, len(PLACES) - 1), st.sampled_from(list(CHARTS))


class AnyInterleaving(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(OBJECTS.name))
        self.killed: list[Worker] = []
        self.states: dict[DeploymentId, Deployment] = {}
        self.facts: dict[DeploymentId, list[Event]] = {}
        self.seen = 0
        self.tips: dict[str, str] = {}
        self.asked: set[tuple[int, str, int]] = set()

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.world.workers if not worker.done and worker not in self.killed]

    def room_for(self, kind: str) -> bool:
        return sum(worker.kind.startswith(kind) for worker in self.alive) < AT_WORK

    # What comes from outside

    @initialize(wanted=st.lists(st.tuples(PLACE, CHART, st.integers(1, 3), st.booleans()), min_size=1, max_size=4))
    def some_jobs_ask(self, wanted: list[tuple[int, str, int, bool]]) -> None:
        for place, chart, job, supersede in wanted:
            self.a_job_asks_perhaps_again(place, chart, job, supersede, steps=10)

    @rule(place=PLACE, chart=CHART, job=st.integers(1, 3), supersede=st.booleans(), steps=STEPS)
    def a_job_asks_perhaps_again(self, place: int, chart: str, job: int, supersede: bool, steps: int) -> None:
        if self.room_for("gateway") and len(self.asked | {(place, chart, job)}) <= REQUESTS:
            self.asked.add((place, chart, job))
            event = asked(place, chart, job, supersede=supersede)
            self.go_on(self.world.request(event, CHARTS[chart]), steps)

    @precondition(lambda self: self.states and self.room_for("gateway"))
    @rule(data=st.data(), steps=STEPS)
    def somebody_asks_for_an_end(self, data: st.DataObject, steps: int) -> None:
        self.go_on(self.world.cancel(data.draw(st.sampled_from(list(self.states)))), steps)

    @rule(place=PLACE, content=st.sampled_from([b"1", b"2"]))
    def somebody_else_pushes(self, place: int, content: bytes) -> None:
        branch, path, _ = PLACES[place]
        self.world.host.write(branch, path, {"Chart.yaml": content})

    @rule(id_=st.sampled_from(TARGETS), verdict=st.sampled_from(list(VERDICTS)))
    def a_cluster_shows_something(self, id_: str, verdict: str) -> None:
        self.world.cluster[id_] = VERDICTS[verdict]

    @rule(seconds=st.sampled_from([1, 30, 700, 1000, -3600]))
    def the_clock_moves(self, seconds: int) -> None:
        self.world.clock.pass_by(seconds)

    # What wakes DAG: messages, late or twice, and sweeps

    @precondition(lambda self: self.room_for("pusher"))
    @rule(lane=st.sampled_from(LANES), steps=STEPS)
    def a_pusher_is_woken(self, lane: Lane, steps: int) -> None:
        self.go_on(self.world.drain(lane), steps)

    @precondition(lambda self: self.room_for("pusher"))
    @rule(lane=st.sampled_from(LANES))
    def a_pusher_stands_with_its_push_in_hand(self, lane: Lane) -> None:
        pusher = self.world.drain(lane)
        while not pusher.done and pusher.before != "push":
            self.go_on(pusher, steps=1)

    @precondition(lambda self: self.pushes and self.room_for("monitor"))
    @rule(data=st.data(), steps=STEPS)
    def a_monitor_is_woken(self, data: st.DataObject, steps: int) -> None:
        self.go_on(self.world.watch(data.draw(st.sampled_from(self.pushes))), steps)

    @precondition(lambda self: self.states and self.room_for("monitor"))
    @rule(data=st.data(), steps=STEPS)
    def a_monitor_decides(self, data: st.DataObject, steps: int) -> None:
        self.go_on(self.world.decide(data.draw(st.sampled_from(list(self.states)))), steps)

    @property
    def pushes(self) -> list[Recorded]:
        return [record for record in self.world.records if record.type == "chart.pushed"]

    # What becomes of a worker

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), steps=STEPS, fault=st.sampled_from(["", "lost", "unanswered", "refused"]))
    def a_worker_goes_on(self, data: st.DataObject, steps: int, fault: str) -> None:
        worker = data.draw(st.sampled_from(self.alive))
        self.go_on(worker, steps)
        if not worker.done:
            worker.go_on(fault)

    def go_on(self, worker: Worker, steps: int) -> None:
        for _ in range(steps):
            if worker.done:
                return
            worker.go_on()
            self.what_is_recorded_holds()

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def a_worker_is_killed(self, data: st.DataObject) -> None:
        self.killed.append(data.draw(st.sampled_from(self.alive)))

    # What must hold at every moment

    @invariant()
    def what_is_recorded_holds(self) -> None:
        for record in self.world.records[self.seen :]:
            self.follow(decode_record(encode_record(record)))
        self.seen = len(self.world.records)
        for branch, tip in self.world.host.tips.items():
            if self.tips.get(branch) != tip:
                self.tips[branch] = tip
                self.look_at(branch)

    def follow(self, record: Recorded) -> None:
        before = self.states.get(record.deployment_id, Deployment(id=record.deployment_id))
        after = self.states[before.id] = evolve(before, record)
        facts = self.facts.setdefault(before.id, [])
        facts.append(decode(record))
        assert not before.ended, f"{record.type} was recorded after {before.status}"
        assert after.status.rank >= before.status.rank, f"{record.type} took {before.status} back to {after.status}"
        assert sum(isinstance(fact, DeploymentRequested) for fact in facts) == 1
        assert sum(isinstance(fact, ChartPushed) for fact in facts) <= 1
        assert sum(isinstance(fact, MonitoringStarted) for fact in facts) <= 1
        ends = [fact.target for fact in facts if isinstance(fact, RolloutSucceeded | RolloutFailed)]
        assert len(ends) == len(set(ends)), "a target ended twice"
        if isinstance(facts[-1], DeploymentFailed) and facts[-1].reason == "chart_unusable":
            assert after.requested is not None
            assert after.requested.chart.sha256 == hashlib.sha256(CHARTS["broken"]).hexdigest(), "another's problem"
        if isinstance(facts[-1], ChartPushed):
            self.look_at_the_push(before, facts[-1])

    def look_at_the_push(self, deployment: Deployment, fact: ChartPushed) -> None:
        ours = [commit for commit, trailers in self.ours(fact.branch) if trailers.deployment_id == deployment.id]
        assert ours == ([] if fact.unchanged else [fact.commit])
        assert fact.commit in {str(commit.id) for commit in self.world.host.commits(fact.branch)}
        assert self.world.host.directory(fact.commit, fact.path) == fact.tree

    def look_at(self, branch: str) -> None:
        """Every commit of ours was asked for, was made once, in order, and names the log as it was."""
        ours = [trailers for _, trailers in self.ours(branch)]
        assert len({each.deployment_id for each in ours}) == len(ours), "committed twice"
        positions = [each.position for each in ours]
        assert positions == sorted(positions)
        for each in ours:
            state, record = self.states[DeploymentId(each.deployment_id)], self.world.records[each.position - 1]
            assert state.requested is not None
            assert state.requested.chart.sha256 == each.chart_digest
            assert (record.deployment_id, record.hash) == (state.id, each.log_head)
            assert state.pushed is None or not state.pushed.unchanged
            assert state.status is not Status.FAILED or state.pushed or "not known" in state.message

        for state in self.states.values():
            if state.pushed is not None and state.pushed.unchanged and state.pushed.branch == branch:
                self.nothing_older_came_after(state, state.pushed)

    def nothing_older_came_after(self, newer: Deployment, fact: ChartPushed) -> None:
        """A deployment that was told to change nothing stands: no older one of its place is committed over it."""
        commits = [str(commit.id) for commit in self.world.host.commits(fact.branch)]
        after = set(commits[commits.index(fact.commit) + 1 :])
        for commit, trailers in self.ours(fact.branch):
            older = self.states[DeploymentId(trailers.deployment_id)]
            same = older.requested is not None and older.requested.iac.path == fact.path
            if commit in after and same and "not known" not in older.message:
                assert trailers.position > newer.requested_position, "an older chart was committed over a newer one"

    def ours(self, branch: str) -> list[tuple[str, Trailers]]:
        """The lane's commits; a branch that was made from another has that one's below them."""
        found = ((str(commit.id), read_trailers(commit.message)) for commit in self.world.host.commits(branch))
        return [(commit, trailers) for commit, trailers in found if trailers and self.is_for(branch, trailers)]

    def is_for(self, branch: str, trailers: Trailers) -> bool:
        requested = self.states[DeploymentId(trailers.deployment_id)].requested
        return requested is not None and requested.iac.branch == branch

    # What must hold in the end

    def teardown(self) -> None:
        try:
            self.everything_ends_although_all_at_work_now_stand_still()
            self.whoever_stood_still_goes_on_and_changes_nothing()
            self.a_fold_needs_no_exactly_once_delivery()
        finally:
            self.world.close()

    def everything_ends_although_all_at_work_now_stand_still(self) -> None:
        for lane in LANES:
            self.run(self.world.drain(lane))
        assert not self.world.database.log.push_todo
        self.world.clock.pass_by(1_000_000)
        for position in sorted(self.world.database.log.watch_todo.values()):
            self.run(self.world.watch(self.world.records[position - 1]))
        assert not self.world.database.log.watch_todo
        assert {state.id for state in self.states.values() if not state.ended} == set()

    def whoever_stood_still_goes_on_and_changes_nothing(self) -> None:
        tips, recorded = dict(self.world.host.tips), len(self.world.records)
        for worker in [worker for worker in self.alive if worker.kind != "gateway"]:
            self.run(worker)
        for id_ in [*self.states]:
            self.run(self.world.decide(id_))
        assert len(self.world.records) == recorded
        assert self.world.host.tips == tips or any("not known" in state.message for state in self.states.values())

    def a_fold_needs_no_exactly_once_delivery(self) -> None:
        for id_, state in self.states.items():
            history = self.world.database.log.stream(stream_name(id_))
            noisy = [again for n, record in enumerate(history) for again in (record, *reversed(history[: n + 1]))]
            assert load(id_, noisy) == load(id_, history) == state

    def run(self, worker: Worker) -> None:
        self.go_on(worker, steps=500)
        assert worker.done, f"a {worker.kind} finds no end; it stands before {worker.before!r}"


def test_no_interleaving_of_handlers_breaks_what_is_promised_of_a_deployment() -> None:
    run_state_machine_as_test(AnyInterleaving, settings=trying_slowly(60))
