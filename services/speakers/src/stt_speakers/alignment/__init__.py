"""Where in the sound each word is: forced alignment."""
