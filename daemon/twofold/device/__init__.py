"""Devices and their memory: NVML, host, governor; torch-free."""
