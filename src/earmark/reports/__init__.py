"""Pictures and pages of what was measured and of what it was measured on."""
