"""The transcription sessions of OpenAI's Realtime API, over a websocket.

codecs, input_audio_buffer, turns, tape: from bytes to turns of speech. events, settings: what is said on the
wire. session: what follows from it, without any effect. connection, routes: the socket, which does it.
"""
