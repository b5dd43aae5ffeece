"""A fit as a page, as tables and as files for other programs."""
