"""`dag check` tries what a registry refers to, and each row that is not fine says what to do."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_world import FLUX_ROW, NOBODY, TARGET, WRONG, Outside, granted, https, outside_world, run, silent

from dag_common.registry.file import read_registry
from dag_sandbox.cluster.access import Asked
from dag_sandbox.cluster.faults import Fault
from dag_standalone.check import check_registry
from dag_standalone.check_cluster import check_cluster
from dag_standalone.check_git import PUSHABLE


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside_world(tmp_path) as outside:
        yield outside


async def test_everything_in_order_is_fine_row_by_row(outside: Outside) -> None:
    outside.cluster.access.grant(granted())
    rows = await outside.rows()
    assert [row.remedy for row in rows.values()] == [""] * len(rows)
    assert list(rows) == [
        ("registry", str(outside.directory / "dag.yaml")),
        ("provider gitlab", "job tokens"),
        ("provider gitlab", "signing keys"),
        ("provider ci", "signing keys"),
        ("iac live", "read"),
        ("iac live", "branch"),
        ("iac live", "push"),
        ("cluster prod", "answer"),
        ("cluster prod", "rights to watch"),
        ("cluster prod", "rights to kick"),
        ("cluster prod", "rights to explain failures"),
        FLUX_ROW,
    ]
    assert rows[FLUX_ROW].told.startswith("takes charts/podinfo of main from GitRepository flux-system/iac, ")


async def test_nothing_is_changed_by_a_check(outside: Outside) -> None:
    tip, head = outside.host.repository("iac").tip(), outside.cluster.history.head
    assert (await outside.rows())["iac live", "push"].told == PUSHABLE
    assert outside.host.repository("iac").tip() == tip
    assert outside.cluster.history.head == head
    assert {asked.verb for asked in outside.cluster.access.asked} == {"list"}


async def test_a_wrong_password_of_git_says_where_to_mend_it(outside: Outside) -> None:
    (outside.directory / "wrong").write_text(WRONG)
    row = await outside.wrong(lambda all_: https(all_).update(password={"file": "wrong"}))
    assert (row.subject, row.question) == ("iac live", "read")
    assert "refused DAG's credentials" in row.told
    assert "credentials" in row.remedy


async def test_a_password_that_may_only_read_is_told_apart(outside: Outside) -> None:
    config = outside.directory / "git" / "iac.git" / "config"
    config.write_text(config.read_text() + "[http]\n\treceivepack = false\n")
    row = await outside.wrong()
    assert (row.subject, row.question) == ("iac live", "push")
    assert "right to push" in row.remedy


async def test_a_missing_branch_is_named_with_those_there_are(outside: Outside) -> None:
    row = (await outside.rows(lambda all_: all_["iac"]["live"].update(branch="stable")))["iac live", "branch"]
    assert row.told == "there is no branch stable; there is main"
    assert "create stable" in row.remedy


async def test_a_wrong_cluster_token_says_to_renew_it(outside: Outside) -> None:
    (outside.directory / "wrong").write_text(WRONG)
    row = await outside.wrong(lambda all_: all_["clusters"]["prod"].update(token={"file": "wrong"}))
    assert (row.subject, row.question) == ("cluster prod", "answer")
    assert "does not accept our credentials" in row.told
    assert "token" in row.remedy


async def test_each_missing_right_is_named_and_the_command_that_grants_it(outside: Outside) -> None:
    cluster = read_registry(outside.write()).cluster("prod")
    for right in sorted(granted()):
        outside.cluster.access.grant(granted() - {right})
        named = f"{right.verb} {right.resource.partition('/')[0]}"
        (row,) = [row for row in (await check_cluster("prod", cluster, [TARGET], 10)).rows if not row.fine]
        assert named in row.told, right
        assert right.namespace in row.told, right
        assert "dag rbac prod" in row.remedy


async def test_a_cluster_without_access_reviews_has_its_lists_tried(outside: Outside) -> None:
    outside.cluster.access.grant(granted() - {Asked("list", "", "events", "default")})
    unknown = Fault(action="respond", verb="create", resource="selfsubjectaccessreviews", status=404, times=0)
    outside.cluster.faults.add(unknown)
    rows = await outside.rows()
    assert "the others cannot be tried" in rows["cluster prod", "rights to watch"].told
    assert "list events in namespace default" in rows["cluster prod", "rights to explain failures"].told


async def test_what_the_registry_forbids_needs_no_right(outside: Outside) -> None:
    rows = await outside.rows(lambda all_: all_["clusters"]["prod"].update(kick=False, logs=False))
    assert ("cluster prod", "rights to kick") not in rows


@pytest.mark.parametrize(("name", "questions"), [("gitlab", ["job tokens", "signing keys"]), ("ci", ["signing keys"])])
async def test_a_provider_that_is_down_is_named(outside: Outside, name: str, questions: list[str]) -> None:
    rows = await outside.rows(lambda all_: all_["providers"][name].update(url=NOBODY))
    wrong = [row for row in rows.values() if not row.fine]
    assert [(row.subject, row.question) for row in wrong] == [(f"provider {name}", one) for one in questions]
    assert all("no connection" in row.told and "bring the provider back" in row.remedy for row in wrong)


async def test_a_url_that_leads_to_something_else_is_no_provider(outside: Outside) -> None:
    rows = await outside.rows(lambda all_: all_["providers"]["gitlab"].update(url=outside.host.base_url))
    assert "is no GitLab" in rows["provider gitlab", "job tokens"].told
    assert not rows["provider gitlab", "job tokens"].fine


async def test_a_missing_secret_file_is_named_and_its_entry_not_tried(outside: Outside) -> None:
    row = await outside.wrong(lambda all_: https(all_).update(password={"file": "nowhere"}))
    assert (row.subject, row.question) == ("iac live", "credentials.https.password")
    assert "nowhere" in row.told
    assert "put it there" in row.remedy


async def test_a_ca_file_that_cannot_be_read_is_named(outside: Outside) -> None:
    row = await outside.wrong(lambda all_: all_["clusters"]["prod"].update(ca={"file": "nowhere.pem"}))
    assert (row.subject, row.question) == ("cluster prod", "ca")


async def test_a_silent_cluster_takes_no_longer_than_it_may(outside: Outside) -> None:
    outside.cluster.faults.add(Fault(action="slow", resource="helmreleases", seconds=60, times=0))
    rows = await outside.rows(seconds=4)
    assert rows[FLUX_ROW].told == "cannot be seen: no answer within 4 s"


async def test_silent_git_hosts_take_no_rows_from_the_others(outside: Outside) -> None:
    """libgit2's calls cannot be cancelled: each keeps a thread until it gives up."""

    def change(registry: dict[str, Any]) -> None:
        for number in range(12):
            registry["iac"] = {f"silent{number}": {"url": f"{url}/iac.git"}} | registry["iac"]

    with silent() as url:
        rows = await outside.rows(change, seconds=4)
    wrong = {subject for (subject, _), row in rows.items() if not row.fine}
    assert wrong == {f"iac silent{number}" for number in range(12)}


async def test_a_problem_in_the_registry_is_a_row_with_its_place(outside: Outside) -> None:
    rows = await outside.rows(lambda all_: all_["providers"].update(odd={"kind": "gitlab"}))
    row = next(row for row in rows.values() if not row.fine)
    assert row.question.startswith("dag.yaml:")
    assert "providers.odd" in row.told


@pytest.mark.parametrize("name", ["empty.yaml", "."])
async def test_an_empty_registry_says_where_to_begin(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.yaml").write_text("\n")
    (finding,) = await check_registry(tmp_path / name, 1)
    assert finding.remedy == "copy deploy/examples/dag.yaml and fill it in"


async def test_up_without_a_registry_says_where_to_begin(tmp_path: Path) -> None:
    dag = Path(sys.executable).with_name("dag")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAG_")}
    process = await asyncio.create_subprocess_exec(dag, "up", cwd=tmp_path, env=kept, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 2
    assert said.decode().strip() == (
        "There is no dag.yaml here: copy deploy/examples/dag.yaml, name one with --registry, or try dag sandbox"
    )


async def test_the_exit_code_says_whether_all_is_fine(outside: Outside) -> None:
    path = str(outside.write())
    code, out = await run("check", "--registry", path, "--json")
    assert (code, {json.loads(line)["fine"] for line in out.splitlines()}) == (0, {True})
    outside.write(lambda all_: all_["iac"]["live"].update(branch="stable"))
    code, out = await run("check", "--registry", path)
    assert (code, "✗" in out, "there is no branch stable" in out, "2 of 12 are not fine" in out) == (
        1,
        True,
        True,
        True,
    )
    assert (await run("check", "--registry", f"{path}.nowhere"))[0] == 2


async def test_the_rights_are_printed_as_yaml_and_what_was_left_out_beside_it(outside: Outside) -> None:
    path = str(outside.write(lambda all_: all_["providers"].update(odd={"kind": "gitlab"})))
    code, out = await run("rbac", "prod", "--registry", path, "--account", "ops/watcher")
    account, *roles = yaml.safe_load_all(out)
    assert (code, account["metadata"]) == (0, {"name": "watcher", "namespace": "ops"})
    assert {role["kind"] for role in roles} == {"Role", "RoleBinding"}
    outside.cluster.access.apply(out)
    assert outside.cluster.access.granted == granted()


@pytest.mark.parametrize(
    "arguments", [("elsewhere", "--registry", "{}"), ("prod", "--registry", "{}", "--account", "x"), ()]
)
async def test_a_wrong_call_for_rights_prints_no_manifests(outside: Outside, arguments: tuple[str, ...]) -> None:
    path = str(outside.write())
    assert await run("rbac", *(each.format(path) for each in arguments)) == (2, "")
