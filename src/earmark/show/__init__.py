"""What the command line prints: answers on stdout, remarks on stderr."""
