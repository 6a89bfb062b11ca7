"""One file for each way in: gather what is needed, let the core decide, apply what it says."""
