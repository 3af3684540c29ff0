"""The imperative shell: commands, configuration, clock and files. Nothing imports this floor."""
