"""Figures that are measured, peer and ours in one run; ``make bench`` runs them all."""
