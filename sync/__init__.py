"""What gate and centre say to each other, and how it arrives once: messages, topics, outbox, link, broker."""
