"""What every process needs before it does anything: settings, clock, ids, logs, health, lifecycle."""
