"""Parameter-efficient fine-tuning methods: one file, one paper."""
