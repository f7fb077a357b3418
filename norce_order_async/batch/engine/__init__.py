"""What every batch does, wherever its changes are made: feeding, sending and accounting."""
