-- Which deployment a request key stands for. $1: key.
SELECT deployment_id, fingerprint FROM dag.requests WHERE key = $1
