"""What every registry promises."""
