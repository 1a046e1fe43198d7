"""Twofold: drop pictures into a folder; they come back 2x, 4x, 8x larger in another."""

__version__ = "0.1.0"
