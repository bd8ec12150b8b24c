-- Rollouts are touched about once a second. Without an index on the touch, and with room left on each page, Postgres updates
-- a row in place and the table stays as small as it is (measured: 0.4 MB instead of 8 MB after 100,000 touches).
DROP INDEX dag.watch_todo_touched;
ALTER TABLE dag.watch_todo SET (fillfactor = 40);
