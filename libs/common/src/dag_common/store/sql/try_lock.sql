-- Take a session advisory lock if it is free. $1: name.
SELECT pg_try_advisory_lock(hashtextextended($1, 0))
