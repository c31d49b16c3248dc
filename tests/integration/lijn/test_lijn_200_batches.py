"""Two workers, two hundred batches: every message once, with its code and stadium."""

from random import Random

import pytest

from tests.integration.lijn.controle import controleer
from tests.integration.lijn.stapel import Stapel, haal, meting
from tests.integration.lijn.zending import (
    AANMAAK,
    BIJLAGE_TE_GROOT,
    GOED,
    OIN,
    SOORTEN,
    TECHNISCH,
    XML,
    ZAAD,
    Zending,
    lever_alle,
    leverancier,
    maak_gewone,
    maak_zending,
    nieuwe_oin,
    samen,
    tijd,
)
from tests.regels import regel

pytestmark = pytest.mark.integration

BATCHES = 200


def _zendingen(willekeur: Random, oins: list[str], bezorger: str, faalt: str) -> list[Zending]:
    een = oins[0]
    bijzonder = [
        maak_zending(een, [*SOORTEN, BIJLAGE_TE_GROOT], willekeur, dubbel=0),
        maak_zending(een, [GOED, *SOORTEN], willekeur, dubbel=3),
        maak_zending(een, [GOED] * 400, willekeur),
        maak_zending(een, [GOED], willekeur),
        maak_zending(oins[1], [GOED, *SOORTEN], willekeur, door=bezorger),
        maak_zending(een, [GOED, *SOORTEN], willekeur, door=bezorger, alle=OIN),
        maak_zending(een, [GOED, *SOORTEN], willekeur, door=oins[1], alle=OIN),
        maak_zending(nieuwe_oin(), [GOED, *SOORTEN], willekeur, alle=OIN),
        maak_zending(een, [GOED, *SOORTEN], willekeur, alle=AANMAAK, aanmaak=tijd(days=-13, hours=-1)),
        maak_zending(een, [GOED] * 3, willekeur, alle=XML, aanmaak=tijd(hours=-1).removesuffix("Z")),
    ]
    for zending in bijzonder[-1:]:  # the frame breaks the schema, so every message does
        zending.verwacht = [XML] * len(zending.verwacht)
    gewoon = [maak_gewone(willekeur.choice(oins), willekeur) for _ in range(BATCHES - len(bijzonder) - 1)]
    alles = [*bijzonder, *gewoon]
    willekeur.shuffle(alles)
    return [*alles, maak_zending(faalt, [GOED] * 4, willekeur, alle=TECHNISCH)]


@regel("watches lag, throughput, errors, the 24-hour norm")
@regel(
    "Everything else is accepted (202), processed, answered with a code and counted",
    "it fails alone, its batch goes on | NA",
)
def test_two_workers_process_200_batches_and_every_message_is_found_once(lijn: Stapel) -> None:
    print(f"PROEF_ZAAD={ZAAD}")
    willekeur = Random(ZAAD)
    oins = [nieuwe_oin() for _ in range(4)]
    bezorger, faalt = nieuwe_oin(), nieuwe_oin()
    lijn.laad(samen(*map(leverancier, [*oins, faalt]), leverancier(bezorger, voor=[oins[1]])))
    zendingen = _zendingen(willekeur, oins, bezorger, faalt)
    assert len(zendingen) == BATCHES
    workers = lijn.adressen["metrics"][:2]
    voor = [meting(haal(worker).text, "berichtenstroom_beslist_total") for worker in workers]
    lijn.storing(faalt)
    try:
        lever_alle(lijn.adressen["aanlevering"], zendingen)
        lijn.wacht(180)
    finally:
        lijn.storing()
    controleer(lijn, zendingen)
    beslist = [
        meting(haal(worker).text, "berichtenstroom_beslist_total") - eerder
        for worker, eerder in zip(workers, voor, strict=True)
    ]
    assert all(aantal > 0 for aantal in beslist), f"not both workers took part: {beslist}"
    assert sum(beslist) == sum(len(zending.verwacht) for zending in zendingen)


def test_a_batch_is_shown_in_the_end_state_of_every_table_with_and_without_final(lijn: Stapel) -> None:
    oin = nieuwe_oin()
    lijn.laad(leverancier(oin))
    zendingen = [maak_gewone(oin, Random(f"{ZAAD}/{i}")) for i in range(10)]
    lever_alle(lijn.adressen["aanlevering"], zendingen)
    lijn.wacht(90)
    berichten = sum(len(zending.verwacht) for zending in zendingen)
    for final in ("", "FINAL"):
        [[runs]] = lijn.sql(f"SELECT uniqExact(proceskenmerk) FROM runs {final} WHERE leverancier = '{oin}'")
        [[uniek]] = lijn.sql(
            f"SELECT uniqExact(proceskenmerk, nummer) FROM uitkomsten {final} WHERE leverancier = '{oin}'"
        )
        [[resultaten]] = lijn.sql(
            f"SELECT uniqExact(proceskenmerk) FROM resultaten {final} WHERE leverancier = '{oin}'"
        )
        assert (runs, uniek, resultaten) == (10, berichten, 10)
    [[rijen]] = lijn.sql(f"SELECT count() FROM uitkomsten FINAL WHERE leverancier = '{oin}'")
    assert rijen == berichten
