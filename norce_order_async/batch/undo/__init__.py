"""The way back of a batch: what was there before its changes, and the changes that bring it back."""
