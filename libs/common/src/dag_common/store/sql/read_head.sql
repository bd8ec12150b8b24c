-- The newest position and its hash.
SELECT position, encode(hash, 'hex') AS hash FROM dag.log_head
