"""Reads mod_callcenter events from FreeSWITCH through ESL and maps them to floorcast events."""
