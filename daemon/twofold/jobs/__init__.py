"""The ledger and the durable workflows; the only importer of dbos and sqlalchemy."""
