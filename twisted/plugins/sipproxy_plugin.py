"""The twistd commands of sipproxy: strings only, so that listing them imports nothing of ours."""

from twisted.application.service import ServiceMaker

sipproxy = ServiceMaker("sipproxy", "sipproxy.tap", "SIP proxy, redirect and registrar server", "sipproxy")

sipproxy_nam = ServiceMaker(
    "sipproxy-nam", "sipproxy.nam_tap", "Simulated NAM: answers GKTMP from tables", "sipproxy-nam"
)

sipproxy_gatekeeper = ServiceMaker(
    "sipproxy-gatekeeper",
    "sipproxy.gatekeeper_tap",
    "Simulated gatekeeper: answers RAS from a table",
    "sipproxy-gatekeeper",
)
