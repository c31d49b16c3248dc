"""What may be set of a leverancier (Domain: Who is who; Berichttypes, 'notificatiekenmerk'; Profiel and Home)."""

from dataclasses import replace

from domain.levensloop import geldig_oin, geldige_tekst
from domain.profiel import geldige_bijzonderheden, geldige_lijst, geldige_toelichting
from domain.referentie import Leverancier, Notificatiekenmerk


def geldige_leverancier(leverancier: Leverancier) -> Leverancier:
    """The same leverancier, its notificatiekenmerken once and in order. Raises NietToegestaan."""
    geldig_oin(leverancier.oin)
    for oin in leverancier.intermediair_voor:
        geldig_oin(oin)
    geldige_tekst(leverancier.naam)
    geldige_toelichting(leverancier.toelichting)
    geldige_lijst(leverancier.lijst)
    geldige_bijzonderheden(leverancier.bijzonderheden)
    gegeven = leverancier.notificatiekenmerken
    kenmerken = None if gegeven is None else tuple(een for een in Notificatiekenmerk if een in gegeven)
    return replace(leverancier, notificatiekenmerken=kenmerken)
