"""Tests of the simulated GPU, and of the daemon's governor on it."""
