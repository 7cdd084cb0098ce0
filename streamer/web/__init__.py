"""The daemon's web endpoints: a status page for people, health and metrics for machines. Read-only."""
