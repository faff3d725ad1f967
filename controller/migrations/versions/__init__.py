"""One module a step, in order of their numbers. A step that has shipped is never edited."""
