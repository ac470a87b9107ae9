"""One lane from its first iteration to its last: in memory, or with a journal. Imports no pytest.

``core`` computes journal entries from the state, ``files`` writes them, ``driver`` calls the
target, and ``runner`` is the order of these steps in one iteration. ``run`` runs a whole lane.
"""
