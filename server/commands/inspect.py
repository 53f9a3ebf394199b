"""Says of each voter in a file of votes how far it can be believed, and why."""

import json
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from game.abuse.evidence import UNKNOWN, PlayerTable, VoteTable
from game.abuse.review import Review, review
from game.abuse.verdict import REASONS, STANDINGS
from ranking.reliability import Gate
from server.commands import BadInput, progress, screen
from server.files.votes_csv import Named, VotesFile, read_votes

COLUMNS: Final = (
    "voter", "segment", "took_ms", "at", "weight", "session", "device", "address",
    "gold", "payee", "phone", "inviter", "party_left", "party_right",
)  # fmt: skip
MOST_ROWS: Final = 25
NOTHING: Final = ("", "none")

Ints = NDArray[np.int64]


@click.command()
@click.argument("votes_csv", metavar="VOTES.csv", type=click.Path(path_type=Path))
@click.option(
    "--json", "json_out", metavar="OUT", type=click.Path(path_type=Path), help="All of it as JSON (- is stdout)."
)
def command(votes_csv: Path, json_out: Path | None) -> None:
    """Says how far each voter of VOTES.csv can be believed.

    Needs the columns left, right, choice and voter, and uses took_ms, at, segment, session, device and address where
    they are there; also gold (left, right or none: the answer known to be right), payee, phone, inviter (a voter), and
    party_left and party_right (whose interest each side is). Votes of a voter without `at` are taken in the order of
    the lines.
    """
    with progress() as bar:
        task = bar.add_task(f"Reading {votes_csv.name}", total=3)
        file = read_votes(votes_csv, also=COLUMNS)
        if file.voter is None:
            raise BadInput(f"{votes_csv.name}, line 1: there is no column voter, so that there is nobody to inspect.")
        bar.update(task, advance=1, description="Judging")
        judged = judge(file)
        bar.update(task, advance=1, description="Writing")
        if json_out is not None:
            _write(json_out, json.dumps(as_json(file, judged), ensure_ascii=False, allow_nan=False) + "\n")
        bar.update(task, advance=1)
    if str(json_out) != "-":
        show(file, judged)


def judge(file: VotesFile) -> Review:
    """The review of a file; voters and styles keep the file's numbers."""
    voter = file.voter
    assert voter is not None
    votes = VoteTable.of(
        voter.codes,
        file.left,
        file.right,
        file.choice,
        took_ms=file.took_ms,
        at=file.at,
        session=_codes(file, "session"),
        gold=_gold(file),
        device=_codes(file, "device"),
        address=_codes(file, "address"),
        **_parties(file),
    )
    n = len(voter.names)
    players = PlayerTable.of(
        n,
        segment=_most_frequent(voter, file.groups.get("segment")),
        payee=_most_frequent(voter, file.groups.get("payee")),
        phone=_most_frequent(voter, file.groups.get("phone")),
        inviter=_inviters(voter, file.groups.get("inviter")),
    )
    return review(votes, players, party=_party_of_style(votes, len(file.styles)))


def as_json(file: VotesFile, judged: Review) -> dict[str, Any]:
    """Voters, the most suspect first, and the clusters of those who belong together and are suspect together."""
    verdicts = judged.verdicts
    voter = file.voter
    assert voter is not None
    order = np.argsort(-verdicts.log_odds, kind="stable")
    return {
        "voters": [
            {
                "voter": voter.names[k],
                "votes": int(verdicts.votes[k]),
                "standing": STANDINGS[verdicts.standing[k]],
                "reliability": float(verdicts.reliability[k]),
                "p_abusive": float(verdicts.p_abusive[k]),
                "reasons": list(verdicts.reasons(k)),
            }
            for k in order.tolist()
        ],
        "clusters": [
            {
                "voters": [voter.names[k] for k in cluster.members.tolist()],
                "by": list(cluster.by),
                "p_abusive": cluster.p_abusive,
            }
            for cluster in judged.clusters
        ],
        "styles_pushed": [
            {
                "style": file.styles[gate.item],
                "z": round(gate.z, 2),
                "always": gate.always,
                "expected": round(gate.expected, 1),
                "voters": gate.voters,
            }
            for gate in _gates(judged)
        ],
        "summary": {name: int((verdicts.standing == k).sum()) for k, name in enumerate(STANDINGS)},
        "votes": len(judged.votes),
        "reasons": {code: {"zh": reason.zh, "en": reason.en} for code, reason in REASONS.items()},
    }


def show(file: VotesFile, judged: Review) -> None:
    """The suspects as a table, with a sentence each; then how many are trusted."""
    verdicts, out = judged.verdicts, screen()
    voter = file.voter
    assert voter is not None
    suspects = np.flatnonzero(verdicts.standing > 0)
    suspects = suspects[np.argsort(-verdicts.log_odds[suspects], kind="stable")]
    if suspects.size:
        table = Table("voter", "votes", "standing", "reliability", "p abusive", "why")
        for k in suspects[:MOST_ROWS].tolist():
            why = " ".join(REASONS[code].en for code in verdicts.reasons(k)[:2])
            table.add_row(
                escape(voter.names[k]),
                str(verdicts.votes[k]),
                STANDINGS[verdicts.standing[k]],
                f"{verdicts.reliability[k]:.3f}",
                f"{verdicts.p_abusive[k]:.4f}",
                why,
            )
        out.print(table)
        if suspects.size > MOST_ROWS:
            out.print(f"… and {suspects.size - MOST_ROWS} more; --json OUT lists all.")
    for cluster in judged.clusters[:MOST_ROWS]:
        names = ", ".join(voter.names[k] for k in cluster.members[:8].tolist())
        more = " …" if cluster.members.size > 8 else ""
        out.print(
            f"{cluster.members.size} voters belong together by {', '.join(cluster.by)}: {names}{more}", markup=False
        )
    for gate in _gates(judged):
        always = f"{gate.always} of {gate.voters} voters chose it every time"
        out.print(f"{file.styles[gate.item]}: {always}, {gate.expected:.0f} expected.", markup=False)
    counts = ", ".join(f"{int((verdicts.standing == k).sum())} {name}" for k, name in enumerate(STANDINGS))
    out.print(f"{len(voter.names)} voters, {len(judged.votes)} votes: {counts}.")


def _gates(judged: Review) -> tuple[Gate, ...]:
    return () if judged.tastes is None else judged.tastes.gates


def _codes(file: VotesFile, column: str) -> Ints | None:
    named = file.groups.get(column)
    return None if named is None else _known(named)


def _known(named: Named) -> Ints:
    """The codes, with -1 for an empty name or "none": two voters without a device have nothing in common."""
    nothing = [k for k, name in enumerate(named.names) if name.lower() in NOTHING]
    return np.where(np.isin(named.codes, nothing), UNKNOWN, named.codes)


def _gold(file: VotesFile) -> Ints | None:
    named = file.groups.get("gold")
    if named is None:
        return None
    meaning = {"left": 1, "right": 0} | dict.fromkeys(NOTHING, UNKNOWN)
    for name in named.names:
        if name.lower() not in meaning:
            raise BadInput(f"{file.path.name}, column gold: {name!r} is neither left, right nor none.")
    return np.array([meaning[name.lower()] for name in named.names], dtype=np.int64)[named.codes]


def _parties(file: VotesFile) -> dict[str, Ints]:
    """Whose interest each side is, both columns numbered alike; nothing unless both are there."""
    left, right = file.groups.get("party_left"), file.groups.get("party_right")
    if left is None or right is None:
        return {}
    names = sorted(set(left.names) | set(right.names))
    number = {name: k for k, name in enumerate(names)}
    return {
        side: np.array([number[name] for name in named.names], dtype=np.int64)[named.codes]
        for side, named in (("party_left", left), ("party_right", right))
    }


def _party_of_style(votes: VoteTable, n_styles: int) -> Ints:
    party = np.arange(n_styles)
    party[votes.left], party[votes.right] = votes.party_left, votes.party_right
    return party


def _most_frequent(voter: Named, column: Named | None) -> Ints | None:
    """The name that each voter has most often in a column (the first of equals), as a code; -1 where it is always
    empty.
    """
    if column is None:
        return None
    width = len(column.names)
    pairs, counts = np.unique(voter.codes * width + column.codes, return_counts=True)
    order = np.lexsort((-counts, pairs // width))
    who, first = np.unique(pairs[order] // width, return_index=True)
    found = np.full(len(voter.names), UNKNOWN, dtype=np.int64)
    found[who] = _known(Named(pairs[order][first] % width, column.names))
    return found


def _inviters(voter: Named, column: Named | None) -> Ints | None:
    codes = _most_frequent(voter, column)
    if codes is None or column is None:
        return None
    number = {name: k for k, name in enumerate(voter.names)}
    of_name = np.array([number.get(name, UNKNOWN) for name in column.names], dtype=np.int64)
    return np.where(codes >= 0, of_name[np.maximum(codes, 0)], UNKNOWN)


def _write(path: Path, text: str) -> None:
    if str(path) == "-":
        click.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written ({error.strerror}).") from None
