"""The loop: controller models, the agent, conversations."""
