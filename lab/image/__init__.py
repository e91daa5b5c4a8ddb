"""A container image as a node's root file system: found, its layers made one, unpacked in a node, entered."""
