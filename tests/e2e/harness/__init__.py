"""What the end-to-end tests stand on: real processes, a fake sidecar, an upstream and clients."""
