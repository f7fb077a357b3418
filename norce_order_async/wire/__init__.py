"""What stands on the wire: operations, JSON, models, and how responses are read. No I/O."""
