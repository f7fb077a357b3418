"""A call and its attempts: slots, pace, what a failure means, who is told of them, and the log."""
