"""Input and output through the operating system: datagram ports and host names.

L{sipproxy.net.udp} has the ports, L{sipproxy.net.resolver} turns host names
into addresses with L{sipproxy.net.hosts} (the hosts file), L{sipproxy.net.dns}
(cached questions) and L{sipproxy.net.lookup} (what asks the name servers and
the system).  Nothing here knows SIP.
"""
