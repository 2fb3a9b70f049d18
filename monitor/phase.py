"""Where in time, and on which shard, something has its stable place: the same after every restart and reload."""

from __future__ import annotations

from hashlib import blake2b


def phase(identity: str) -> float:
    """Map an identity to its stable place in [0, 1)."""
    digest = blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)


def shard_of(workstation: str, shards: int) -> int:
    """Tell which of 1..`shards` a workstation belongs to."""
    return int(phase(f"shard:{workstation}") * shards) + 1
