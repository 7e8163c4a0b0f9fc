"""Who said what, and when: the whisperx service's stages beside their peers."""
