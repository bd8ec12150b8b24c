"""Proof of identity: asks CI providers whether a job is what it claims to be, and answers with one kind of fact."""
