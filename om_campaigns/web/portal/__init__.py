"""The partner portal: what the people of a house see and do, for their house and its offices and for nobody else (SEC-14)."""

from om_campaigns.web.portal import access, house, own_words, packs, reports

ROUTERS = (access.router, own_words.router, packs.router, reports.router, house.router)
