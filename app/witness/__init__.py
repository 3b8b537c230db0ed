"""The witness: who did what, when, why and with which outcome, in a chain nobody can quietly edit.

Importing it costs no heavy library: signing and compressing import theirs when they run.
"""

from app.witness.checkpoint import Checkpoint
from app.witness.copies import Copy, journald
from app.witness.entry import Draft, Entry, Phase, as_json, new_trace
from app.witness.log import Mark, Witness
from app.witness.operations import Operation

__all__ = [
    "Checkpoint",
    "Copy",
    "Draft",
    "Entry",
    "Mark",
    "Operation",
    "Phase",
    "Witness",
    "as_json",
    "journald",
    "new_trace",
]
