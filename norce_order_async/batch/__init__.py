"""Many changes at once: read from a file or an iterator, made with bounded workers, one outcome each."""
