"""Experiments: YAML to typed spec, plan, run, results."""
