"""What both sides of the door must know of HTTP."""

OIN_HEADER = "X-Leverancier-OIN"
"""The header in which a sender names itself (Domain: Who is who)."""
