"""Who is linked to whom: by device, address, payee, phone and invitation. A link is no guilt; it says whose evidence
belongs together.

Families share a telephone, a home network and the address that the fruit is sent to; thousands share the network of a
carrier. So an address links only where it is rare (at most twenty-five players ever), or where the same few players
appear on it in the same hours again and again; a payee that receives for many is an office or a dormitory and links
nobody. The one thing that counts here is many accounts on one device: up to four are a family, twelve are one hand.

Source: connected components of the graph players - devices - addresses - payees - phones, by label propagation. Cost: one
pass over distinct (player, key) pairs, and only after new ones appeared; a vote that shows nothing new costs a look-up.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from game.abuse.evidence import UNKNOWN, WAY, WAYS, Floats, Ints, PlayerTable, Rows, VoteTable

MOST_ON_ADDRESS = 25
MOST_ON_PAYEE = 12
MOST_ON_DEVICE = 200
LARGEST_GROUP = 60
KINDS: Final = ("address", "hours", "payee", "phone", "device")
STRONG: Final = ("phone", "device")
"""Links that a neighbourhood does not share. A hand behind ten accounts is not to hide among ten neighbours."""
_HOUR_S = 3600.0
_SHARED_HOURS = 3
_BITS = 1 << 31
# Nats for "many accounts in one hand" by the number of accounts on the player's busiest device.
_ACCOUNTS = np.array([0, 0, 0, 0, 0, 0.5, 1.5, 3.0, 5.5, 6.0, 6.5, 7.0])


@dataclass(frozen=True, slots=True)
class Groups:
    """`of` (n_players,): the group of each player, -1 where linked to nobody. `by` (n_groups): the kinds of keys that
    link it.
    """

    of: Ints
    by: tuple[tuple[str, ...], ...]

    def members(self, group: int) -> Ints:
        return np.flatnonzero(self.of == group)


class Links:
    name = "links"
    content_free = True

    def __init__(self) -> None:
        self._devices = Rows()
        self._addresses = Rows()
        self._hours = Rows()
        self._accounts = np.empty(0)
        self._stale = True

    def add(self, votes: VoteTable) -> None:
        before = self._devices.size + self._addresses.size
        seen = votes.device >= 0
        self._devices.of(_pair(votes.player[seen], votes.device[seen]))
        seen = votes.address >= 0
        player, address = votes.player[seen], votes.address[seen]
        self._addresses.of(_pair(player, address))
        timed = ~np.isnan(votes.at[seen])
        if timed.any():
            hour = (votes.at[seen][timed] // _HOUR_S).astype(np.int64)
            # Player, address and hour in one key: what matters is equality, so a mixed 64-bit number will do.
            with np.errstate(over="ignore"):
                place = (
                    address[timed].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + hour.astype(np.uint64)
                ) % np.uint64(_BITS)
            self._hours.of(_pair(player[timed], place.astype(np.int64)))
        self._stale |= self._devices.size + self._addresses.size > before

    def groups(self, table: PlayerTable, kinds: Collection[str] = KINDS) -> Groups:
        """Players who are connected by links of these kinds. Invitations join nobody: honest players invite as well; see
        `Sweep`, which pools them apart.
        """
        n = len(table)
        edges: dict[str, tuple[Ints, Ints]] = {}
        for kind, pairs, most in (
            ("address", self._addresses.keys, MOST_ON_ADDRESS),
            ("hours", _often(self._hours.keys), MOST_ON_ADDRESS),
            ("payee", _pair(np.arange(n), table.payee)[table.payee >= 0], MOST_ON_PAYEE),
            ("phone", _pair(np.arange(n), table.phone)[table.phone >= 0], MOST_ON_PAYEE),
            ("device", self._devices.keys, MOST_ON_DEVICE),
        ):
            if kind not in kinds:
                continue
            player, key = pairs // _BITS, pairs % _BITS
            known = player < n
            player, key = player[known], key[known]
            # Keys come as any number; what matters is who shares one.
            _, key, count = np.unique(key, return_inverse=True, return_counts=True)
            shared = (count[key] >= 2) & (count[key] <= most) if key.size else np.empty(0, dtype=bool)
            edges[kind] = player[shared], key[shared]
        # Rare addresses chain through cafés and, in a small crowd, through carriers. A group that has grown too large to
        # be one of acquaintances is cut at its weakest kind of link, the strongest last.
        for weakest in (*list(edges)[:-1], ""):
            label = _components(n, list(edges.values()))
            if not weakest:
                break
            large = np.bincount(label, minlength=n)[label] > LARGEST_GROUP
            player, key = edges[weakest]
            edges[weakest] = player[~large[player]], key[~large[player]]
        return _named(label, edges)

    def weigh(self, players: Ints, table: PlayerTable) -> Floats:
        ratio = np.zeros((players.size, len(WAYS)))
        ratio[:, WAY["multiplied"]] = _ACCOUNTS[
            np.minimum(self.accounts(len(table))[players], _ACCOUNTS.size - 1).astype(np.int64)
        ]
        return ratio

    def accounts(self, n_players: int) -> Floats:
        """How many accounts were seen on each player's busiest device; 0 where no device is known."""
        if self._stale or self._accounts.size < n_players:
            self._accounts = np.zeros(n_players)
            player, device = self._devices.keys // _BITS, self._devices.keys % _BITS
            known = player < n_players
            _, place, count = np.unique(device[known], return_inverse=True, return_counts=True)
            # A "device" that hundreds have is a fault of its fingerprint, not a telephone.
            np.maximum.at(self._accounts, player[known], np.where(count[place] <= MOST_ON_DEVICE, count[place], 0))
            self._stale = False
        return self._accounts

    def measures(self, player: int) -> dict[str, float]:
        accounts = self._accounts[player] if player < self._accounts.size else 0.0
        return {"accounts_on_device": float(accounts)}


def _pair(player: Ints, key: Ints) -> Ints:
    return np.asarray(player * _BITS + key % _BITS)


def _often(pairs: Ints) -> Ints:
    """(player, player) pairs, as keys, who met on one address in at least three hours in which few others were there."""
    if pairs.size == 0:
        return pairs
    player, place = pairs // _BITS, pairs % _BITS
    order = np.lexsort((player, place))
    player, place = player[order], place[order]
    _, starts, count = np.unique(place, return_index=True, return_counts=True)
    few = (count >= 2) & (count <= MOST_ON_ADDRESS)
    starts, count = starts[few], count[few]
    first, second = [], []
    for step in range(1, MOST_ON_ADDRESS):
        for_these = count > step
        for offset in range(MOST_ON_ADDRESS - step):
            here = starts[for_these & (count > step + offset)] + offset
            if here.size:
                first.append(player[here])
                second.append(player[here + step])
    if not first:
        return np.empty(0, dtype=np.int64)
    met, times = np.unique(_pair(np.concatenate(first), np.concatenate(second)), return_counts=True)
    met = met[times >= _SHARED_HOURS]
    # As (player, key) pairs with the first player of each pair as the key.
    return np.unique(np.concatenate([_pair(met % _BITS, met // _BITS), _pair(met // _BITS, met // _BITS)]))


def _components(n: int, edges: list[tuple[Ints, Ints]]) -> Ints:
    """(n,) the smallest number among the players that each is connected with: it spreads until nothing changes."""
    label = np.arange(n)
    while True:
        before = label.copy()
        for player, key in edges:
            if player.size:
                smallest = np.full(int(key.max()) + 1, n, dtype=np.int64)
                np.minimum.at(smallest, key, label[player])
                np.minimum.at(label, player, smallest[key])
        label = label[label]
        if (label == before).all():
            return label


def _named(label: Ints, edges: dict[str, tuple[Ints, Ints]]) -> Groups:
    _, label, size = np.unique(label, return_inverse=True, return_counts=True)
    number = np.where(size >= 2, np.cumsum(size >= 2) - 1, UNKNOWN)
    group = number[label]
    by: list[set[str]] = [set() for _ in range(int(group.max(initial=-1)) + 1)]
    for kind, (player, _) in edges.items():
        for g in np.unique(group[player]).tolist():
            if g >= 0:
                by[g].add(kind)
    return Groups(of=group, by=tuple(tuple(sorted(b)) for b in by))
