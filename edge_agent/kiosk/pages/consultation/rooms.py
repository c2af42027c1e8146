"""Every router of the consultation, in the order in which a path is looked for."""

from __future__ import annotations

from edge_agent.kiosk.pages.consultation import danger, intake, looks, person, preview, progress, sites, start, views

CONSULTATION = (
    start.router,
    danger.router,
    person.router,
    sites.router,
    views.router,
    looks.router,
    preview.router,
    intake.router,
    progress.router,
)
