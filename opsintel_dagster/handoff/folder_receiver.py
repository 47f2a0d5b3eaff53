"""Delivers files into a folder or below a prefix of an object store, one file a delivery."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError
from upath import UPath

from opsintel_dagster import crashpoints
from opsintel_dagster.errors import OpsintelError, ReceiverDown, ReceiverUnfit, SettingsError
from opsintel_dagster.handoff.frame_files import FORMATS, count_records, is_local
from opsintel_dagster.handoff.receiver import (
    Confirmation,
    Delivery,
    Guarantee,
    Receipt,
    Receiver,
)
from opsintel_dagster.outcome import shown

UNFINISHED = ".part"


class FolderReceiver(Receiver):
    """A place for files named `<outcome>-<route>-<delivery id>.<ext>`, values exactly as they are.

    On a file system the file is written under a hidden temporary name, synced and renamed, so that
    who looks for files sees whole ones only. On an object store it is uploaded under its final
    name, where a file appears when its upload is complete; on remote file systems without that
    property (SFTP, FTP) a reader can see half a file.

    The users of the folder take files away: a file with a receipt that is not there was *taken*. If
    one is taken before its receipt reached the ledger and the process dies in between, the file is
    written again under the same name; users who must not act twice remember the names they took.
    """

    guarantee = Guarantee.IDEMPOTENT

    def __init__(self, path: str, format_: str, *, root: Path, declared_at: str) -> None:
        self._folder = _resolved(path, root, declared_at)
        self._format = FORMATS[format_]

    @property
    def address(self) -> str:
        """The folder, without credentials."""
        return shown(str(self._folder))

    def deliver(self, delivery: Delivery, rows: pl.DataFrame) -> Receipt:
        """Write the file, unless it is there already."""
        final = self._file_of(delivery)
        with self._reached():
            if final.exists():
                return self._receipt(delivery, final)
            if is_local(final):
                self._write_and_rename(rows, Path(final.path))
            else:
                self._upload(rows, final)
            return self._receipt(delivery, final)

    def find(self, delivery: Delivery) -> Receipt | None:
        """What is known from the file itself; None once it has been taken."""
        final = self._file_of(delivery)
        with self._reached():
            return self._receipt(delivery, final) if final.exists() else None

    def confirm(self, delivery: Delivery, receipt: Receipt, rows: pl.DataFrame) -> Confirmation:
        """See that the file is there with all its records, or was taken by the folder's users."""
        name = self._file_of(delivery).name
        with self._reached():
            if name not in self._names():
                return Confirmation("taken", receipt.records, f"{name} was taken")
            records, size = self._records_and_size(self._folder / name)
        if records != rows.height or records != receipt.records:
            reason = f"{name} holds {records} records of {rows.height}"
            return Confirmation("missing", min(records, rows.height), reason)
        if size != receipt.detail["bytes"]:
            reason = (
                f"{name} was changed: {size} bytes where {receipt.detail['bytes']} were written"
            )
            return Confirmation("missing", 0, reason)
        return Confirmation("confirmed", records, f"{name} is there")

    def count(self, receipts: Sequence[Receipt]) -> dict[str, int]:
        """Count the records of the files that are there; files that were taken count in full."""
        with self._reached():
            names = self._names()
            return {
                receipt.delivery: self._records_and_size(self._folder / name)[0]
                if (name := str(receipt.detail["name"])) in names
                else receipt.records
                for receipt in receipts
            }

    def check(self) -> str | None:
        """Look whether files can be written there."""
        if not is_local(self._folder):
            try:
                self._folder.exists()
            except (OSError, ImportError, ValueError) as error:
                return str(ReceiverDown(self.address, type(error).__name__))
            return None
        folder = Path(self._folder.path)
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        if not nearest.is_dir():
            return f"receiver {self.address}: {nearest} is not a folder"
        if not os.access(nearest, os.W_OK | os.X_OK):
            return f"receiver {self.address}: no permission to write to {nearest}"
        return None

    def _write_and_rename(self, rows: pl.DataFrame, final: Path) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        unfinished = final.with_name(f".{final.name}.{uuid4().hex}{UNFINISHED}")
        try:
            self._format.write(rows, unfinished)
            _sync(unfinished)
            crashpoints.reached("deliver.staged")
            unfinished.rename(final)
        finally:
            unfinished.unlink(missing_ok=True)
        _sync(final.parent)
        for left_over in final.parent.glob(f".{final.name}.*{UNFINISHED}"):
            left_over.unlink(missing_ok=True)

    def _upload(self, rows: pl.DataFrame, final: UPath) -> None:
        with TemporaryDirectory(prefix="opsintel-") as folder:
            whole = Path(folder) / final.name
            self._format.write(rows, whole)
            crashpoints.reached("deliver.staged")
            final.parent.mkdir(parents=True, exist_ok=True)
            final.fs.put_file(str(whole), final.path)

    def _receipt(self, delivery: Delivery, final: UPath) -> Receipt:
        records, size = self._records_and_size(final)
        return Receipt(
            delivery.id, records, {"name": final.name, "bytes": size, "records": records}
        )

    def _records_and_size(self, path: UPath) -> tuple[int, int]:
        return count_records(self._format, path), path.stat().st_size

    def _file_of(self, delivery: Delivery) -> UPath:
        name = f"{delivery.outcome}-{delivery.route}-{delivery.id}{self._format.suffix}"
        return self._folder / name

    def _names(self) -> set[str]:
        """The names in the folder, listed once.

        Raises:
            ReceiverDown: the folder itself is gone; that does not mean its files were taken.
        """
        if is_local(self._folder) and not self._folder.is_dir():
            raise ReceiverDown(self.address, "there is no such folder; is it mounted?")
        self._folder.fs.invalidate_cache()  # a listing from before the delivery proves nothing
        if not self._folder.exists():
            return set()  # object stores have no empty folders
        return {path.name for path in self._folder.iterdir()}

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except OpsintelError:
            raise
        except PolarsError as error:
            reason = f"the rows cannot be written as {self._format.suffix[1:]}"
            raise ReceiverUnfit(self.address, f"{reason} ({type(error).__name__})") from None
        except (OSError, ImportError) as error:
            # Polars says why in words only; of a remote place words may name its credentials.
            is_harmless = is_local(self._folder) or isinstance(error, ImportError)
            words = str(error) if is_harmless else type(error).__name__
            reason = getattr(error, "strerror", None) or words
            raise ReceiverDown(self.address, reason) from error
        except Exception as error:
            if is_local(self._folder):
                raise
            # Every kind of remote store has errors of its own.
            raise ReceiverDown(self.address, type(error).__name__) from error


def _resolved(path: str, root: Path, declared_at: str) -> UPath:
    """The place, below `root` if it is relative.

    Raises:
        SettingsError: no file system is known by the protocol of its URL.
    """
    try:
        return UPath(path) if "://" in path else UPath((root / path).resolve())
    except ValueError as error:
        fix = "Write a folder, or a URL that fsspec knows, such as s3://bucket/prefix."
        raise SettingsError(f"{declared_at}.path", str(error), fix) from error


def _sync(path: Path) -> None:
    """Wait until the file, or the folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
