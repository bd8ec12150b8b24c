-- Forget every line; the log has them all.
DELETE FROM dag.deployments
