-- Claim a request key for a deployment. Waits for a rival transaction with the same key. $1: key, $2: deployment, $3: fingerprint.
INSERT INTO dag.requests (key, deployment_id, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (key) DO NOTHING
RETURNING deployment_id, fingerprint
