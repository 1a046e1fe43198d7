"""Pure decisions: geometry, recipes, passes, tiles, memory, settling, naming. Stdlib only; no clock, no disk."""
