"""What must hold for every op, layer, loss, ...: a registry for each kind, and a file for each property."""
