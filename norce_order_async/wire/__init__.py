"""What stands on the wire: operations, JSON, models, and how answers are read. No I/O."""
