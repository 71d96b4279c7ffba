"""What goes onto a cluster, and the demo that shows the main job on one machine."""
