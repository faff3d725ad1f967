"""What a pass is and what it may do: claims, signed text, stay rules and the one decision. No I/O at all."""
