"""Which way goods went, from the words and codes that the sites use."""

import unicodedata
from collections.abc import Mapping

EXPORT, IMPORT = "export", "import"
PART = "part"
"""A part of all exports or imports, which their total holds: re-exports, inward processing."""

WORDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("m", "i", "1", "imp", "import", "imports", "general import", "general imports",
         "gross import", "gross imports", "total imports", "imports for consumption",
         "importation", "importations", "importación", "importacion", "importaciones",
         "importação", "importações", "einfuhr", "einfuhren", "importe", "importazioni",
         "arrival", "arrivals", "进口", "進口", "输入", "輸入", "수입"), IMPORT),
    **dict.fromkeys(
        ("x", "e", "2", "exp", "export", "exports", "general export", "general exports",
         "gross export", "gross exports", "total exports", "exportation", "exportations",
         "exportación", "exportacion", "exportaciones", "exportação", "exportações", "ausfuhr",
         "ausfuhren", "exporte", "esportazioni", "dispatch", "dispatches", "出口", "输出", "輸出",
         "수출"), EXPORT),
    **dict.fromkeys(
        ("rx", "rm", "dx", "fm", "mip", "mop", "xip", "xop", "3", "4", "re-export", "re-exports",
         "re export", "re exports", "reexport", "reexports", "re-import", "re-imports",
         "re import", "re imports", "reimport", "reimports", "réexportation", "reexportación",
         "domestic export", "domestic exports", "foreign export", "foreign exports",
         "foreign import", "foreign imports", "复出口", "复进口", "转口"), PART),
}  # fmt: skip
"""Words and codes in lower case. Of the numbers, Comtrade and Eurostat use the same."""


def read_flow(text: str) -> str:
    """Return the flow that a word or code names; empty if it is not known."""
    plain = unicodedata.normalize("NFKC", text).casefold().removesuffix(".0")
    return WORDS.get(" ".join(plain.replace("_", " ").split()), "")
