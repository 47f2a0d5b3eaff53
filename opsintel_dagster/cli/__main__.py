"""`python -m opsintel_dagster.cli` is `opsintel`."""

from opsintel_dagster.cli import main

if __name__ == "__main__":
    main()
