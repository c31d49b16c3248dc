"""What a gemachtigde may read (Domain: Diensten and machtigingen). Too wide is a privacy breach, too narrow leaves
someone without his letter."""

from collections.abc import Collection, Iterator

from domain.referentie import Machtiging, Referentie


def geldt(machtiging: Machtiging, nu: int) -> bool:
    """Whether a machtiging is valid at this moment: van ≤ nu < tot."""
    return machtiging.van <= nu and (machtiging.tot is None or nu < machtiging.tot)


def machtigingen_van(
    referentie: Referentie, belanghebbenden: Collection[str], gemachtigden: Collection[str]
) -> Iterator[Machtiging]:
    """All between these two persons, each named by every pseudonym that he has had, whatever their period."""
    return (
        machtiging
        for machtiging in referentie.machtigingen.values()
        if machtiging.belanghebbende in belanghebbenden and machtiging.gemachtigde in gemachtigden
    )


def leesbaar(
    referentie: Referentie, belanghebbenden: Collection[str], gemachtigden: Collection[str], nu: int
) -> dict[tuple[str, str], list[str]]:
    """By (leverancier, berichttype): the Dienst IDs, sorted, that let this gemachtigde read the belanghebbende's post.

    A gemachtigde may read a message exactly when a machtiging valid now names a dienst that is Actief now and linked
    now to the message's berichttype; what is not in here he may not read. The state of the berichttype plays no part,
    nor does the state of anything when the message was delivered.
    """
    diensten: dict[tuple[str, str], set[str]] = {}
    for machtiging in machtigingen_van(referentie, belanghebbenden, gemachtigden):
        dienst = referentie.diensten.get(f"{machtiging.oin}/{machtiging.dienst_id}")
        if dienst is not None and geldt(machtiging, nu):
            for berichttype in dienst.gekoppeld():
                diensten.setdefault((dienst.oin, berichttype), set()).add(dienst.dienst_id)
    return {soort: sorted(namen) for soort, namen in diensten.items()}
