"""ControllerRevisions: how StatefulSets and DaemonSets number their templates (pkg/controller/history)."""

from __future__ import annotations

from typing import Final

from dag_sandbox.cluster.double import ClusterDouble
from dag_sandbox.cluster.resources import CONTROLLER_REVISIONS, Object
from dag_sandbox.reconcilers.workloads_objects import hash_of, owned, reference

LABEL: Final = "controller-revision-hash"


def revision(double: ClusterDouble, owner: Object) -> Object:
    """The revision of the owner's present template, made or moved to the top if need be."""
    template, metadata = owner["spec"]["template"], owner["metadata"]
    mark = hash_of(template)
    known = owned(double, CONTROLLER_REVISIONS, owner)
    newest = max((one["revision"] for one in known), default=0)
    found = next((one for one in known if one["metadata"]["labels"][LABEL] == mark), None)
    if found is None:
        own = {"name": f"{metadata['name']}-{mark}", "namespace": metadata["namespace"], "labels": {LABEL: mark}}
        held = {"metadata": own | {"ownerReferences": [reference(owner)]}, "data": {"spec": {"template": template}}}
        return double.create(CONTROLLER_REVISIONS, held | {"revision": newest + 1})
    if found["revision"] == newest:
        return found
    return double.replace(CONTROLLER_REVISIONS, found | {"revision": newest + 1})


def revision_of(pod: Object) -> str:
    """The label of the revision a pod was made of."""
    return str((pod["metadata"].get("labels") or {}).get(LABEL, ""))
