"""FreeSWITCH: reads mod_callcenter's events by ESL and maps them to floorcast's events."""
