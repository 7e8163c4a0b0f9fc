"""Jobs: recordings that are handed in, kept until they are transcribed, and looked up later."""
