"""Supervisor and worker: wires everything, decides nothing."""
