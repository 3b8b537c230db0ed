"""Who is at work on an operation: one at a time, and nobody any more once its process is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from app.holding import Holds

_ROOT = Path(__file__).resolve().parents[2]
_HOLD = """
import sys, time
from pathlib import Path
from app.holding import Holds
hold = Holds(Path(sys.argv[1])).take(7)
print("held" if hold else "refused", flush=True)
sys.stdin.readline()
"""


def test_one_at_a_time_in_one_process_and_in_several(tmp_path: Path) -> None:
    holds = Holds(tmp_path / "at-work")
    mine = holds.take(7)
    assert mine is not None
    assert holds.take(7) is None
    assert holds.take(8) is not None
    mine.release()
    mine.release()
    again = holds.take(7)
    assert again is not None
    again.release()
    assert not (tmp_path / "at-work" / "7").exists()


def test_a_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    holds = Holds(tmp_path / "at-work")
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "at-work")],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert holds.take(7) is None
        other.kill()
        other.wait(timeout=20)
        hold = holds.take(7)
    assert hold is not None
    hold.release()


def test_where_nothing_can_be_written_nobody_holds_anything(tmp_path: Path) -> None:
    (tmp_path / "at-work").write_text("a file in the way")
    assert Holds(tmp_path / "at-work").take(1) is None
