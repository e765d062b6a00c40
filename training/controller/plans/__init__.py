"""What the controller should do about each intent."""
