"""What calcd tells of itself: INFO, the metrics for Prometheus, and the answer to calcd --status."""
