"""The `dg` face of the package: outcomes and their defaults declared in `defs.yaml`."""
