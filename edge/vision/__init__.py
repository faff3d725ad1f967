"""What a lane sees: sources of frames, the reader of codes, and one owner thread for each camera."""
