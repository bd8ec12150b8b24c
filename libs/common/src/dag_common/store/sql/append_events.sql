-- Append a batch of events, all or nothing; returns their records in the order given. $1: JSON array.
SELECT * FROM dag.append_events($1::jsonb)
