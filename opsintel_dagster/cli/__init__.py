"""The `opsintel` command."""


def main() -> None:
    """Run the command line; what a command needs is imported when it runs."""
    from opsintel_dagster.cli.app import app  # importing the package stays free

    app()
