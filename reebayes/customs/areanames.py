"""Names of areas as the sites vary them, and names that are of no country at all."""

import re
import unicodedata
from functools import lru_cache

_UNKNOWN = re.compile(
    r"\b(nes|n e s|unspecified|unknown|unallocated|undisclosed|unreported|unclassified|undeclared"
    r"|unidentified|undetermined|confidential(ity)?|secret|suppressed|withheld|bunkers?"
    r"|not (specified|elsewhere|allocated|known|stated|reported|available|determined|disclosed"
    r"|declared|given|identified)|n a|no country|free (trade )?zones?|special categor(y|ies)"
    r"|high seas|international waters|stores and provisions|ships? stores|provisions"
    r"|inconnu|non (specifie|precise|determine)s?|no (especificad[oa]|declarad[oa])|desconocid[oa]"
    r"|unbekannt|nicht ermittelt)\b|不详|未知|未列|不明|保密|未分配"
)
_GROUP = re.compile(
    r"^(rest|other|others|remaining|remainder|all other|autres?|otr[ao]s|reste|resto|ubrige)\b"
    r"|\b(countries|economies|regions?|bloc|group|members?|nations|continents?|developing|developed"
    r"|industriali[sz]ed|income|excl|excludes?|excluding|except|without|extra|intra|other than"
    r"|oecd|ocde|opec|asean|apec|nafta|usmca|cafta|efta|eea|eec|brics?|g ?7|g ?8|g ?20|cis|mercosur"
    r"|sadc|ecowas|comesa|gcc|ldcs?|saarc|aladi|laia|caricom|cemac|uemoa|acp|rcep|cptpp|tpp|eurozone"
    r"|euro area|eu ?\d\d|eu \d{4}|maghreb|benelux|scandinavia|sub saharan|subsaharan)\b"
    r"|^(eu|ue|european (union|community|communities|economic area)|union (europeenne|europea))\b"
    r"|^(其他|其它|その他)|(东盟|欧盟|亚洲|非洲|欧洲|美洲|大洋洲|独联体|经合组织|金砖|一带一路)"
)
_DIRECTIONS = (
    "north south east west northern southern eastern western central middle near far southeast "
    "southeastern northeast northeastern southwest northwest and the of latin sub developing "
)
_LARGE = (
    "asia africa europe america americas oceania pacific caribbean australasia eurasia antarctica "
    "mideast afrique amerique asie europa oceanie"
)
_TOTAL = re.compile(r"\b(total|totals|world|worldwide|monde|mundo|welt|insgesamt|ensemble)\b")
_FILLERS = frozenset(
    "grand the general overall sum all countries partners areas of and trade exports imports "
    "reporters total totals world worldwide monde mundo welt insgesamt ensemble".split()
)


@lru_cache(maxsize=20_000)
def area_key(name: str) -> str:
    """Return a name without case, accents, signs and article, and a number without its zeros.

    ``People's Republic of China``, ``PEOPLES REPUBLIC OF CHINA (THE)`` and the like are one key, as
    are ``156``, ``156.0`` and ``0156``.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    plain = "".join(char for char in plain if not unicodedata.combining(char)).strip()
    plain = re.sub(r"^([0-9]+)[.,]0+$", r"\1", plain)
    plain = re.sub(r"[.'’`´]", "", plain)
    plain = " ".join(re.sub(r"[^\w:]+|_", " ", plain).split())
    plain = re.sub(r"^the | the$", "", plain)
    return str(int(plain)) if re.fullmatch("[0-9]+", plain) else plain or name.casefold()


def vague_role(name: str) -> str:
    """Return the role of a name that no list need hold: a total, a group, or what is not known.

    The role is empty for a name that may be a country's.
    """
    key = area_key(name)
    if _UNKNOWN.search(key):
        return "unknown"
    if _is_total(key):
        return "total"
    if _GROUP.search(key) or _TOTAL.search(key):
        return "group"
    words = set(key.split())
    whole = words <= {*_DIRECTIONS.split(), *_LARGE.split()} and key != "america"
    return "group" if whole and (words & {*_LARGE.split(), "east"}) else ""


def _is_total(key: str) -> bool:
    words = set(key.split())
    return words <= _FILLERS and (bool(_TOTAL.search(key)) or bool(words & {"all", "sum"}))
