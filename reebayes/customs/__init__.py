"""Customs files as users download them, turned into records of a study.

``grids`` reads bytes as text, ``layouts`` tells the four layouts apart, one reader a layout
(``comtrade``, ``dataweb``, ``gacc``, ``plain``) gives `Shipment` rows, ``tables`` are the user's
tables, ``sieves`` mark what cannot be counted, ``totals`` add up the rest, and ``harmonising``
joins them. ``downloads`` fetches from UN Comtrade.
"""

from reebayes.customs.downloads import fetch_comtrade
from reebayes.customs.harmonising import Harmonised, common_codes, harmonise

__all__ = ["Harmonised", "common_codes", "fetch_comtrade", "harmonise"]
