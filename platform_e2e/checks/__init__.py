"""What must be true; pure functions over observed state."""
