"""calc-client, the program: one answer, a prompt, or a batch of lines."""
