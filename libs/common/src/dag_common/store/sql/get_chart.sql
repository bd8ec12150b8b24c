-- A chart's bytes. $1: sha256 hex.
SELECT content FROM dag.charts WHERE sha256 = $1
