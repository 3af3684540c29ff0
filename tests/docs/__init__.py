"""Every command that README and docs show is executed, in the order of its page."""
