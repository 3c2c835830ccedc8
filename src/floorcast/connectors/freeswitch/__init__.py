"""FreeSWITCH: mod_callcenter's events, read by ESL into signs."""
