"""What the tests of all services share: the contract, running services, sounds, files made to harm.

It needs pytest, httpx and openai; nothing in a service imports it, and no image has it.
"""
