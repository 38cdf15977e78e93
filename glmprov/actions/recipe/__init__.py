"""The commands about recipes, each in a module of its own."""
