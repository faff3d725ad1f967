"""Which texts each application asks to translate, found in its templates and its code."""

from pathlib import Path

from babel.messages.extract import extract_from_dir

ROOT = Path(__file__).parents[3]
FOLDERS = (ROOT / "shell/pages", ROOT / "edge/kiosk", ROOT / "controller/web")
KEYWORDS = {"mark": None, "t": None, "both": None, "zh": None, "en": None, "lasting": None}
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext.babel_extract")]


def messages_in(folder: Path) -> set[str]:
    found = extract_from_dir(folder, METHODS, keywords=KEYWORDS)
    texts = {message if isinstance(message, str) else message[0] for _, _, message, _, _ in found}
    assert "" not in texts
    return texts
