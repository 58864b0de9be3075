"""Services that are neither Azure nor a cluster: measured, read, or told."""
