"""What people see on a terminal: progress and tables."""
