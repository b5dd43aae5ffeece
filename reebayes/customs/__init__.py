"""Customs files as users download them, turned into records of a study.

``containers`` tells what a file is, ``grids`` and ``workbooks`` read it as text, ``formats`` tells
the layouts apart, ``tables`` reads columns by the rule that fits all their cells (``numerals``,
``periods``), and one reader a layout (``comtrade``, ``dataweb``, ``gacc``, ``comext``, ``japan``,
``plain``) gives `Shipment` rows. ``codebooks`` are the user's tables, ``exclusions`` and
``plausibility`` mark what cannot be counted, ``aggregation`` adds up the rest, ``remarks`` says
what is worth knowing of it, and ``harmonising`` joins them. ``downloads`` fetches from UN Comtrade.
"""

from reebayes.customs.downloads import fetch_comtrade
from reebayes.customs.harmonising import Harmonised, common_codes, harmonise

__all__ = ["Harmonised", "common_codes", "fetch_comtrade", "harmonise"]
