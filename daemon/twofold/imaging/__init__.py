"""Untrusted bytes in children, colour, metadata, delivery."""
