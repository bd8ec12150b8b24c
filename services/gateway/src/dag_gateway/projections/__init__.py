"""Tables made from the log, for people: written only by the projector, rebuilt at will, never decided from."""
