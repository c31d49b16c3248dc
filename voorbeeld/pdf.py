"""Small, real PDFs: one page with one line of text."""

_KOP = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"


def maak_pdf(regel: str, grootte: int | None = None) -> bytes:
    """A PDF of one page that shows `regel` (characters of Latin-1), of exactly `grootte` bytes where that is given.

    Raises ValueError when it does not fit in `grootte`.
    """
    pdf = _bouw(regel, b"")
    if grootte is None:
        return pdf
    vulling = grootte - len(pdf)
    for _ in range(4):  # the filling makes the offset near the end longer, so the first guess is a few bytes off
        if len(pdf) == grootte or vulling < 1:
            break
        pdf = _bouw(regel, b"%" + b"." * (vulling - 1))
        vulling += grootte - len(pdf)
    if len(pdf) != grootte:
        raise ValueError(f"a PDF of this line cannot have {grootte} bytes")
    return pdf


def _bouw(regel: str, vulling: bytes) -> bytes:
    tekst = regel.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)").encode("latin-1")
    inhoud = b"BT /F1 12 Tf 72 770 Td (" + tekst + b") Tj ET"
    objecten = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(inhoud), inhoud),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    pdf = bytearray(_KOP)
    if vulling:
        pdf += vulling + b"\n"
    plaatsen = []
    for nummer, inhoud in enumerate(objecten, 1):
        plaatsen.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (nummer, inhoud)
    tabel = len(pdf)
    pdf += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objecten) + 1)
    pdf += b"".join(b"%010d 00000 n \n" % plaats for plaats in plaatsen)
    pdf += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objecten) + 1, tabel)
    return bytes(pdf)
