"""The vision experts, the tools that the controller sees, and the pool that owns the device."""
