"""What belongs to an event loop, without knowing of calls."""
