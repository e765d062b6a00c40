"""The controller that understands people: a LoRA adapter on a pretrained language model, taught by conversations."""
