-- What time it is by the clock that recorded_at is read from.
SELECT clock_timestamp()
