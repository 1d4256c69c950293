"""Listeners that follow one another: starts them, takes their events, and reaps them."""
