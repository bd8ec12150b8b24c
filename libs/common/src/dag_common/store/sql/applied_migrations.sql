-- Which migrations this database has.
SELECT number, sha256 FROM dag.migrations ORDER BY number
