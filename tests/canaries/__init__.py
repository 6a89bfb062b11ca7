"""A shop in which every personal field holds a canary, and everything that it lets out."""
