"""Run the example batch in a terminal and draw what it showed, as an SVG without anything remote in it.

    python docs/examples/record_terminal.py > docs/_static/batch.svg

Needs Linux or macOS, and the package installed with its extras.
"""

import fcntl
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from rich.ansi import AnsiDecoder
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

COLUMNS, ROWS = 100, 40
EXAMPLE = "docs/examples/changes.jsonl"
COMMAND = ["norce-order", "batch", "run", EXAMPLE, "--sandbox"]
# Light on dark, each colour with enough contrast; the picture brings its own background.
_COLOURS = [(90, 98, 112), (255, 123, 114), (126, 211, 133), (229, 192, 96), (121, 184, 255), (200, 160, 255)]
_COLOURS += [(118, 218, 224), (225, 228, 232)]
THEME = TerminalTheme((28, 31, 38), (225, 228, 232), _COLOURS, [(150, 158, 170), *_COLOURS[1:]])
SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"
 aria-label="A terminal that ran a batch">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: ui-sans-serif, system-ui, "DejaVu Sans", sans-serif; font-size: 15px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g>
</svg>
"""


def run_in_terminal(command: list[str], folder: Path) -> str:
    """What the command wrote to a terminal, control sequences and all."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    env = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    process.wait()
    return written.decode()


def last_state(written: str) -> str:
    """What is left to see: of lines that were drawn again and again, the last drawing."""
    rows, row = [""], 0
    for text, control in re.findall(r"([^\r\n\x1b]+|\x1b\[[\d;]*m)|(\r|\n|\x1b\[[?\d;]*[A-Za-z])", written):
        if control == "\n":
            row += 1
            rows += [""] * (row == len(rows))
        elif control == "\x1b[2K":
            rows[row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d+)A", control):
            row -= int(up[1])
        rows[row] += text
    return "\n".join(rows).rstrip()


def main() -> None:
    """Record and draw."""
    with tempfile.TemporaryDirectory() as folder:
        example = Path(folder, EXAMPLE)
        example.parent.mkdir(parents=True)
        shutil.copy(Path(__file__).with_name(example.name), example)
        written = run_in_terminal(COMMAND, Path(folder))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ ", style="bright_black") + Text(" ".join(COMMAND)))
    for line in AnsiDecoder().decode(last_state(written)):
        console.print(line, soft_wrap=True)
    sys.stdout.write(console.export_svg(title="norce-order", theme=THEME, code_format=SVG, unique_id="batch"))


if __name__ == "__main__":
    main()
