"""The recipe of the frozen bundle: one executable with its libraries, many names (`make build`)."""
