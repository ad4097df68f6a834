"""What is learnt from: tasks, sources, decoded images."""
