"""What if something else happened in the world: the balance of every draw, solved again."""
