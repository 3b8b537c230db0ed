"""The operator at a command line: plans are shown and confirmed, names typed, secrets asked for on the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import Callable, Generator, Mapping, Sequence

from app.cli.options import Options
from app.cli.output import painted, remark
from app.cli.running import interrupts
from app.column import Token, clean
from app.deck import Answer, Question
from app.errors import Refused, Unsupported
from app.fleet import Ref

MOST_STEPS = 20
"""How many steps of a plan a question shows."""
LONGEST_ANSWER = 4096


class Terminal:
    """The terminal the operator sits at, whatever stdout and stderr are."""

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self._asking = asyncio.Lock()

    def say(self, text: str) -> None:
        """Write text as it is."""
        with contextlib.suppress(OSError):
            os.write(self._write, text.encode("utf-8", "backslashreplace"))

    async def line(self, prompt: str, *, echo: bool = True) -> str | None:
        """One line the operator types; ``None`` at the end of input. One prompt at a time."""
        async with self._asking:
            with _quiet(self._read) if not echo else contextlib.nullcontext():
                self.say(prompt)
                answer = await self._typed()
                if not echo:
                    self.say("\n")
        return answer

    async def _typed(self) -> str | None:
        """Wait on the event loop, not in a thread: a thread in ``read`` would keep the program from ending."""
        loop = asyncio.get_running_loop()
        typed = bytearray()
        while not typed.endswith(b"\n") and len(typed) < LONGEST_ANSWER:
            ready: asyncio.Future[None] = loop.create_future()
            loop.add_reader(self._read, _once(ready))
            try:
                await ready
            finally:
                loop.remove_reader(self._read)
            try:
                piece = os.read(self._read, LONGEST_ANSWER)
            except OSError:  # the terminal has gone away
                return None
            if not piece:
                return None if not typed else typed.decode("utf-8", "replace")
            typed += piece
        return typed.decode("utf-8", "replace").rstrip("\r\n")


def _once(ready: asyncio.Future[None]) -> Callable[[], None]:
    return lambda: None if ready.done() else ready.set_result(None)


@contextlib.contextmanager
def _quiet(fd: int) -> Generator[None]:
    """What is typed does not appear; undone whatever happens, a second interrupt included."""
    before = termios.tcgetattr(fd)
    changed = termios.tcgetattr(fd)
    changed[3] &= ~termios.ECHO

    def undo() -> None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(fd, termios.TCSADRAIN, before)

    termios.tcsetattr(fd, termios.TCSADRAIN, changed)
    interrupts.restore.append(undo)
    try:
        yield
    finally:
        interrupts.restore.remove(undo)
        undo()


def find_terminal() -> Terminal | None:
    """The controlling terminal, else stdin and stderr where both are one; ``None`` where nobody sits there."""
    try:
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return Terminal(0, 2) if os.isatty(0) and os.isatty(2) else None
    return Terminal(fd, fd)


class CommandLine:
    """The ``Front`` of a command line."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._terminal: Terminal | None = None
        self._looked = False
        self.give_way: Callable[[], None] | None = None
        """Called before somebody else has the terminal: ends what is drawn there."""

    @property
    def terminal_here(self) -> Terminal | None:
        """The operator's terminal, looked for once."""
        if not self._looked:
            self._looked, self._terminal = True, find_terminal()
        return self._terminal

    async def ask(self, question: Question) -> Answer:
        """Show the plan and wait for the answer; ``--yes`` is one. Raises Refused where nobody can answer."""
        if self._options.yes:
            return Answer(True, self._options.why)
        terminal = self.terminal_here if _stdin_is_terminal() else None
        if terminal is None:
            why = " --why TEXT" if question.needs_why else ""
            raise Refused(
                f"'{question.order.verb.title}' asks first ({question.reason}), and there is no terminal to ask at",
                todo=f"add --yes{why}",
            )
        color = not self._options.no_color and not os.environ.get("NO_COLOR")
        terminal.say("".join(f"{line}\n" for line in plan_lines(question, color=color)))
        if question.type_name is not None:
            said = await terminal.line(f"Type {clean(question.type_name)} to go on (f shows every check): ")
            yes = said is not None and said.strip() == question.type_name
        else:
            said = await terminal.line("Go on? [y/N, f shows every check] ")
            yes = said is not None and said.strip().lower() in ("y", "yes")
        if said is not None and said.strip().lower() == "f" and question.type_name != "f":
            return Answer(False, falsify=True)
        why = ""
        if yes and question.needs_why:
            why = (await terminal.line("Why? ") or "").strip()
        return Answer(yes, why)

    async def secret(self, what: str, prompt: str) -> str | None:
        """Ask on the terminal without showing what is typed; ``None`` where there is none, whatever stdin is."""
        terminal = self.terminal_here
        if terminal is None:
            return None
        words = clean(prompt) if not what or what in prompt else clean(f"{what}: {prompt}")
        return await terminal.line(f"{words.rstrip(': ')}: ", echo=False)

    async def turn(self, verb: str, who: Ref, number: int, total: int) -> bool:
        """Say whose turn it is; before the second and further ones ask whether to go on, unless ``--yes`` did."""
        self._clear()
        words = f"── {number} of {total}: {verb} {clean(who.id)} ──"
        terminal = self.terminal_here
        if number == 1 or self._options.yes or terminal is None:
            remark(words)
            return True
        said = await terminal.line(f"{words}  Enter opens it, n stops here: ")
        return said is not None and said.strip().lower() not in ("n", "no", "q")

    def _clear(self) -> None:
        if self.give_way is not None:
            self.give_way()

    async def terminal(self, argv: Sequence[str], env: Mapping[str, str] | None) -> int:
        """Let a child have stdin, stdout and stderr; its exit code. Raises Unsupported without a terminal."""
        if not (_stdin_is_terminal() and sys.stdout.isatty()):
            raise Unsupported("there is no terminal to hand over", todo="run it from a terminal")
        self._clear()
        sys.stdout.flush()
        interrupts.handed_over = True
        fd = sys.stdin.fileno()
        before = termios.tcgetattr(fd)
        try:
            child = await asyncio.create_subprocess_exec(
                argv[0], *argv[1:], env=None if env is None else {**os.environ, **env}
            )
            try:
                code = await child.wait()
            except asyncio.CancelledError:
                with contextlib.suppress(ProcessLookupError):
                    child.terminate()
                raise
        except FileNotFoundError:
            raise Unsupported(f"'{argv[0]}' is not installed here") from None
        finally:
            interrupts.handed_over = False
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(fd, termios.TCSADRAIN, before)  # a child that was killed leaves it as it was
        return code if code >= 0 else 128 - code


def _stdin_is_terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):  # stdin was closed before we began
        return False


def plan_lines(question: Question, *, color: bool) -> list[str]:
    """The plan as an operator reads it before answering: what, on what, the exact steps, what is lost."""
    names = ", ".join(clean(target.id) for target in question.targets[:MOST_STEPS])
    if len(question.targets) > MOST_STEPS:
        names += f" and {len(question.targets) - MOST_STEPS} more"
    lines = [painted(f"{question.order.verb.title} {names}".rstrip(), Token.TITLE, color=color)]
    steps = question.plan.steps
    for step in steps[:MOST_STEPS]:
        who = f"{clean(step.ref.id)}  " if len(question.targets) > 1 and step.ref.id else ""
        lines.append(f"  {who}{clean(step.text)}")
    if len(steps) > MOST_STEPS:
        lines.append(f"  and {len(steps) - MOST_STEPS} more steps")
    lines += [painted(f"  lost: {clean(line)}", Token.CRIT, color=color) for line in question.plan.loses]
    lines += [f"  note: {clean(line)}" for line in question.plan.notes]
    cost = question.plan.cost
    if cost is not None:
        parts = [f"{cost.money:g}" if cost.money is not None else "", cost.note]
        parts.append(f"about {cost.seconds:.0f} s" if cost.seconds is not None else "")
        lines.append(f"  cost: {clean(', '.join(part for part in parts if part)) or 'unknown'}")
    lines += [f"  left out: {clean(one.id)}: {clean(one.message)}" for one in question.cannot]
    lines.append(painted(f"  {clean(question.reason)}", Token.WARN, color=color))
    return lines


def tty_size() -> int:
    """Columns of the terminal, 80 where it cannot tell."""
    with contextlib.suppress(OSError, ValueError):
        return os.get_terminal_size(2).columns or 80
    return 80


__all__ = ["CommandLine", "Terminal", "find_terminal", "plan_lines", "tty_size"]
