"""The catalogue of networks and the built-in weights."""
