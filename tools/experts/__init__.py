"""The vision experts, a model behind one interface each, and the pool that owns the device."""
