"""What an attempt needs on its way: its deadline, a slot, its account, and the log."""
