"""How facts reach those who act: the relay publishes the log, receivers acknowledge, projectors and the feed follow."""
