-- Keep a chart's bytes; the same bytes are kept once. $1: sha256 hex, $2: content.
INSERT INTO dag.charts (sha256, content) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING
