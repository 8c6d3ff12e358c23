"""The documents that promise something, taken apart: their sentences and their samples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

SPEC = Path(__file__).parents[2] / "docs" / "spec"
CONTRACT, DECISIONS, WORKFLOWS = "task-engine-api.md", "decisions.md", "workflows.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# What only leads to a statement.
LABEL = re.compile(
    r"Details|.*:|Successful response.*|\d+ - Error Response"
    r"|More information .* can be found here\.?"
    r"|\| (Field|Setting|Moment|Workflow) \|.*"
)
# Not the end of a sentence, though a full stop stands there.
_SHORT = re.compile(r"\b(e\.g|i\.e|eg|vs)\.$")


@dataclass(frozen=True, slots=True)
class Block:
    """A heading's part of a document."""

    heading: str
    text: str


def blocks(name: str) -> list[Block]:
    """The parts of a document, each with the last heading above it."""
    found, heading, lines = [], "", []
    fenced = False
    for line in (SPEC / name).read_text("utf-8").splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            found.append(Block(heading, "\n".join(lines)))
            heading, lines = line.lstrip("# ").replace("`", "").strip(), []
        else:
            lines.append(line)
    return [block for block in [*found, Block(heading, "\n".join(lines))] if block.text.strip()]


def samples(heading: str) -> list[object]:
    """The JSON samples of an endpoint, in order; without their comments and stray commas."""
    [text] = [block.text for block in blocks(CONTRACT) if block.heading == heading]
    found = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return [json.loads(tidy(raw)) for raw in found]


def tidy(raw: str) -> str:
    return re.sub(r",(\s*[\]}])", r"\1", re.sub(r"(?<!:)//.*", "", raw))


def statements(block: Block) -> list[str]:
    """What a part says: its sentences, rows and list items, each sample as one; normalised."""
    text = re.sub(r"</?(details|summary|br)\b[^>]*>", "", block.text)
    text = re.sub(r"```.*?```", _sample, text, flags=re.DOTALL)
    said = [sentence for piece in _pieces(text) for sentence in _sentences(piece)]
    return [sentence for sentence in said if sentence and not LABEL.fullmatch(sentence)]


def _sample(match: re.Match[str]) -> str:
    lines = match[0].strip("`\n").splitlines()[1:]
    text = " ".join(" ".join(lines).split())
    return f"\n\n§{text if len(text) <= 70 else text[:70] + ' …'}\n\n"


def _pieces(text: str) -> list[str]:
    """Paragraphs, list items and rows of tables."""
    pieces: list[str] = []
    for line in text.splitlines():
        if not line.strip() or re.fullmatch(r"[|\s:-]+", line):
            pieces.append("")
        elif re.match(r"\s*(- |\d+\. |\||§|\*\*)", line) or not pieces:
            pieces.append(line.strip())
        else:
            pieces[-1] = f"{pieces[-1]} {line.strip()}".strip()
    return [piece for piece in pieces if piece]


def _sentences(piece: str) -> list[str]:
    if piece.startswith(("|", "§")):
        return [piece.lstrip("§")]
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"^(- |\d+\. )", "", piece))
    plain = plain.replace("**", "").replace("`", "").replace("*", "").strip()
    said: list[str] = []
    for part in re.split(r"(?<=[.:?;])\s+(?=[A-Z„\"'(0-9])", plain):
        if said and (_SHORT.search(said[-1]) or said[-1].endswith(":") or said[-1].endswith(";")):
            said[-1] += f" {part}"
        else:
            said.append(part)
    return said
