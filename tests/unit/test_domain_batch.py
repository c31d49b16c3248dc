"""Batches, their slices, and who owns which BerichtID."""

import zlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.batch import MAX_BATCH_BYTES, MAX_BERICHTEN, Batch, partitie, splits
from tests.regels import regel
from tests.slices import BSNS, guid, maak_slice


@regel("A batch is at most 100 MB, base64 included", "then 1 to 1000 `Bericht`")
def test_the_limits_of_a_batch() -> None:
    """At most 100 MB, base64 included; 1 to 1000 Bericht."""
    assert (MAX_BATCH_BYTES, MAX_BERICHTEN) == (100_000_000, 1000)


@pytest.mark.parametrize(
    ("tekst", "van_acht", "van_twaalf"),
    [
        ("00000000-0000-0000-0000-000000000000", 5, 1),
        ("00000000-0000-4000-8000-000000000001", 1, 5),
        ("00000000-0000-4000-8000-000000000002", 3, 7),
        ("6f9619ff-8b86-4011-b42d-00c04fc964ff", 4, 4),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", 2, 10),
    ],
)
def test_the_partition_of_a_bericht_id_never_changes(tekst: str, van_acht: int, van_twaalf: int) -> None:
    """Same BerichtID, same partition, same owner: a change of this function while messages are on their way hides
    duplicates. It is also what the schema of topic `bericht` tells outsiders. So these stay, whatever else changes."""
    bericht_id = UUID(tekst).bytes
    assert (partitie(bericht_id, 8), partitie(bericht_id, 12)) == (van_acht, van_twaalf)


@given(st.binary(min_size=16, max_size=16), st.integers(1, 64))
def test_the_partition_is_what_the_schema_says(bericht_id: bytes, aantal: int) -> None:
    """CRC-32 of its 16 bytes modulo the number of partitions."""
    assert partitie(bericht_id, aantal) == zlib.crc32(bericht_id) % aantal


@regel("GUIDs compare without regard to case")
def test_guids_compare_without_regard_to_case() -> None:
    een, ander = UUID("6F9619FF-8B86-4011-B42D-00C04FC964FF"), UUID("6f9619ff-8b86-4011-b42d-00c04fc964ff")
    assert partitie(een.bytes, 8) == partitie(ander.bytes, 8)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Batches with repeated BerichtIDs and 0 to 3 bijlagen a message."""
    n = draw(st.integers(0, 30))
    ids = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))
    bijlagen = sorted(draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(1, 500)), max_size=20))) if n else []
    slice_ = maak_slice(ids=ids, bsns=[BSNS[i % 20] for i in range(n)], bijlagen=bijlagen)
    slice_.berichten.bijlage_sha256 = b"".join(bytes([i]) * 32 for i in range(len(bijlagen)))
    slice_.berichten.bijlage_volgordes = list(range(len(bijlagen)))
    slice_.berichten.bijlage_omschrijvingen = [f"bijlage {i}" for i in range(len(bijlagen))]
    slice_.berichten.einddatums = list(range(n))
    return slice_


def berichten(batch: Batch) -> list[tuple[object, ...]]:
    """The messages of a batch, each with its bijlagen."""
    b = batch.berichten
    bijlagen: list[list[tuple[object, ...]]] = [[] for _ in range(len(b))]
    for i, rij in enumerate(b.bijlage_rijen):
        sha = b.bijlage_sha256[32 * i : 32 * i + 32]
        bijlagen[rij].append((sha, b.bijlage_groottes[i], b.bijlage_omschrijvingen[i], b.bijlage_volgordes[i]))
    return [
        (
            b.nummers[rij],
            b.bericht_id(rij),
            b.berichttypes[rij],
            b.gebruiker(rij),
            b.onderwerpen[rij],
            b.teksten[rij],
            b.referenties[rij],
            b.publicatiedatums[rij],
            b.einddatums[rij],
            b.schema_fouten[rij],
            tuple(bijlagen[rij]),
        )
        for rij in range(len(b))
    ]


@given(batches(), st.integers(1, 12))
def test_slices_hold_every_message_once_with_all_it_has(batch: Batch, partities: int) -> None:
    slices = splits(batch, partities)
    assert sorted(bericht for slice_ in slices.values() for bericht in berichten(slice_)) == berichten(batch)
    for nummer, slice_ in slices.items():
        assert slice_.kader == batch.kader
        assert len(slice_.berichten) > 0
        assert slice_.berichten.nummers == sorted(slice_.berichten.nummers)
        assert slice_.berichten.bijlage_rijen == sorted(slice_.berichten.bijlage_rijen)
        assert {partitie(slice_.berichten.bericht_id(rij), partities) for rij in range(len(slice_.berichten))} == {
            nummer
        }


def test_equal_bericht_ids_meet_in_one_slice() -> None:
    slices = splits(maak_slice(ids=["a", "b", "c", "a", "d", "a"]), 8)
    (samen,) = (slice_ for nummer, slice_ in slices.items() if nummer == partitie(guid("a"), 8))
    assert {1, 4, 6} <= set(samen.berichten.nummers)


@given(batches(), st.data())
def test_choosing_rows_keeps_their_bijlagen(batch: Batch, data: st.DataObject) -> None:
    rijen = (
        data.draw(st.lists(st.sampled_from(range(len(batch.berichten))), unique=True)) if len(batch.berichten) else []
    )
    alle = berichten(batch)
    gekozen = batch.berichten.kies(rijen)
    assert berichten(Batch(batch.kader, gekozen)) == [alle[rij] for rij in rijen]
    assert gekozen.bijlage_rijen == sorted(gekozen.bijlage_rijen)
