"""The real services that tests talk to, started and stopped by the tests themselves."""
