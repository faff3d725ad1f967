"""Names and numbers as a page may show them: enough to recognise, not enough to collect."""


def mask_name(name: str) -> str:
    """Keep the first character: ``李*``, ``赵**``. An empty name stays empty."""
    shown = name.strip()
    return shown[:1] + "*" * min(len(shown) - 1, 2) if shown else ""


def mask_phone(number: str) -> str:
    """Keep three digits in front and four at the end: ``138****8000``. Masking twice changes nothing."""
    bare = "".join(sign for sign in number if sign.isdigit() or sign == "*")
    if number.strip().startswith("+86"):
        bare = bare[2:]
    if len(bare) < 8:
        return "****"
    return f"{bare[:3]}****{bare[-4:]}"
