"""What a fit holds, and how it is saved, opened, selected and summarised."""
