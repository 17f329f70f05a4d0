"""The server farm: several members that share the registry, the routes and the numbers (mod_sip_farm.c)."""
