"""What every command line here shares."""
