"""What `doctor` makes of the facts that probes found: facts in, checks out; standard library only."""
