"""Pre-training: corpora of audio, segments of them, schedules, the trainer. Fine-tuning stands beside it."""
