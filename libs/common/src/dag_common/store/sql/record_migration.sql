-- Remember that a migration ran. $1: number, $2: name, $3: sha256 of its text.
INSERT INTO dag.migrations (number, name, sha256) VALUES ($1, $2, $3)
