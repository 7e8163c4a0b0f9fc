"""Who spoke when: diarizers, known voices, and which word is whose."""
