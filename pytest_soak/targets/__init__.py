"""Systems under test: the mock market, recorded data, a live bot. They know the protocol only."""
