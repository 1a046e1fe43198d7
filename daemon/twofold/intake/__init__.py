"""From a dropped file to a spooled copy: watch, scan, mounts, spool."""
