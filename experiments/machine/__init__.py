"""The machine that a run uses: hardware, versions, cores, cards, energy."""
