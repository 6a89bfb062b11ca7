"""What each cold start loads; run in a fresh interpreter, with nothing but its own path."""
