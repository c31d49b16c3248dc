"""What `/readyz` says, for who answers and for who asks."""

MAAR = "ok, but "
"""How it begins for a process that is ready and waits for a person."""
