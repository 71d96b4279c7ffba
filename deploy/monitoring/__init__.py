"""What watches railcni in a cluster: Prometheus's rules, its targets, and a dashboard."""
