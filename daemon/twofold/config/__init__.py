"""Schema and loader of the YAML configuration; nobody below service sees it."""
