"""Passwords: what makes one acceptable, and one-time ones for a beginning."""

from collections.abc import Iterable

LEAST_CHARS = 12
# What is left of the usual lists once twelve characters are asked for; length is what counts (NIST SP 800-63B, 5.1.1.2).
_COMMON = ("password", "123456", "qwerty", "abc123", "111111", "000000", "admin", "letmein", "woaini", "iloveyou")
# Without characters that are mistaken for each other when they are read out.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def weakness(password: str, *, about: Iterable[str]) -> tuple[str, str] | None:
    """What is wrong with a password, in Chinese and English, or None. `about` are words that stand for its owner."""
    if len(password) < LEAST_CHARS:
        return f"至少 {LEAST_CHARS} 个字符", f"use at least {LEAST_CHARS} characters"
    if len(set(password)) < 5:
        return "重复的字符太多", "use more different characters"
    rest = password.lower()
    for word in (*_COMMON, *(word.lower() for word in about if len(word) >= 3)):
        rest = rest.replace(word, "")
    if len(rest) < LEAST_CHARS // 2:
        return "太容易猜到:不要用账号、姓名或常见密码", "too easy to guess: leave out login, name and common passwords"
    return None


def one_time(random_bytes: bytes) -> str:
    """A password to begin with, of `random_bytes` (20 give 98 bits): four groups, easy to read out and to type."""
    letters = [ALPHABET[byte % len(ALPHABET)] for byte in random_bytes]
    return "-".join("".join(letters[start : start + 5]) for start in range(0, len(letters), 5))
