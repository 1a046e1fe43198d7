from __future__ import annotations

from twofold.core.hooks import environment


def test_a_hook_sees_what_the_owner_set_and_nothing_that_is_the_services() -> None:
    ours = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "1", "LISTEN_FDS": "3", "CREDENTIALS_DIRECTORY": "/run/secret"}
    owners = {"PATH": "/bin", "HOME": "/root", "WEBHOOK": "https://example.org", "STATE_DIRECTORY": "/var/lib/twofold"}
    assert environment(ours | owners, "on_done") == owners | {"TWOFOLD_HOOK": "on_done"}
