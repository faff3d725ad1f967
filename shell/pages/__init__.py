"""The page kit: what every web page of the product stands on, whichever daemon serves it.

``app`` builds a FastAPI application with the security headers, ``server`` runs it in a thread of a daemon,
``stream`` pushes events to open pages, ``templates`` renders, ``i18n`` finds the words. What a page shows is
the business of the daemon that owns it (``edge.kiosk``, ``controller.web``).
"""
