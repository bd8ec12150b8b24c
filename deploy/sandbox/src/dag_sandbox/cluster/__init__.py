"""A Kubernetes API double: an in-memory cluster with real list, watch and write semantics.

`double` is the cluster as controllers in the same process see it; `serving` puts it on HTTP; `faults`
breaks it on demand.
"""
