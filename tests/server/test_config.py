"""A service does not start on what everybody can read: sample keys, short keys, missing keys are refused in words."""

import pytest

from server.config import SAMPLE_TICKET_KEY, SAMPLE_TOKEN_KEY, SAMPLE_VAULT_KEY, Config, ConfigRefused

KEYS = {
    "XUANKUAN_TICKET_KEYS": "1:" + "t" * 40,
    "XUANKUAN_TOKEN_KEYS": "1:" + "o" * 40,
    "XUANKUAN_VAULT_KEYS": "1:" + "v" * 40,
}


@pytest.mark.parametrize("mode", ["development", "production"])
@pytest.mark.parametrize("sample", [SAMPLE_TICKET_KEY, SAMPLE_TOKEN_KEY, SAMPLE_VAULT_KEY])
@pytest.mark.parametrize("name", sorted(KEYS))
def test_no_sample_key_outside_demo(mode: str, sample: str, name: str) -> None:
    """Whichever sample stands in whichever place."""
    with pytest.raises(ConfigRefused, match=f"{name} holds the public sample"):
        Config.from_environment({**KEYS, "XUANKUAN_MODE": mode, name: f"1:{sample}"})


@pytest.mark.parametrize("name", sorted(KEYS))
@pytest.mark.parametrize("value", ["", "1:short", "nonsense", "0:" + "x" * 40, "999:" + "x" * 40])
def test_no_missing_or_weak_key(name: str, value: str) -> None:
    """The sentence names the variable."""
    with pytest.raises(ConfigRefused, match=name):
        Config.from_environment({**KEYS, "XUANKUAN_MODE": "production", name: value})


def test_a_demo_needs_nothing() -> None:
    """And lets guests in."""
    config = Config.from_environment({"XUANKUAN_MODE": "demo"})
    assert config.guests
    assert config.ticket_keys


def test_keys_rotate() -> None:
    """Several keys are read; the greatest number is the newest."""
    config = Config.from_environment({**KEYS, "XUANKUAN_TICKET_KEYS": f"1:{'a' * 40} 2:{'b' * 40}"})
    assert sorted(config.ticket_keys) == [1, 2]
    assert not Config.from_environment(KEYS).guests


def test_secrets_are_not_shown() -> None:
    """A configuration that is printed by mistake tells no key."""
    assert "tttt" not in repr(Config.from_environment(KEYS))


@pytest.mark.parametrize(
    ("name", "value"), [("XUANKUAN_PORT", "eighty"), ("XUANKUAN_MODE", "fast"), ("XUANKUAN_PORT", "-1")]
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    """One sentence with the variable in it."""
    with pytest.raises(ConfigRefused, match=name):
        Config.from_environment({**KEYS, name: value})
