"""Writers and readers of live targets."""
