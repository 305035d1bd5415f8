"""What a program does beside its purpose: gaming, selection, noise and who pays for them."""
