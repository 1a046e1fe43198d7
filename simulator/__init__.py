"""A simulated GPU: its allocator, its neighbours, its networks, and virtual time. For tests and benchmarks only.

Nothing here was measured on a device by us: the figures come from the published ones named in `networks.py`.
"""
