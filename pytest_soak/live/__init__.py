"""Live targets: a bot as a process, started, tuned, watched and stopped (docs/live.md)."""
