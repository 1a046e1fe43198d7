"""Networks and how tiles run through them; the only importer of torch."""
