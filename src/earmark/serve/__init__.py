"""The service: embed, predict and search over HTTP, with every upload decoded in a process that may be killed."""
