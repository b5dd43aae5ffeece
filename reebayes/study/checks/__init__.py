"""Everything that can be wrong with a study, table by table."""
