"""The routes of REST API v1 that tell who asks and what answers."""

from __future__ import annotations

from confluence_sync.simulator.calls import Call, Place
from confluence_sync.simulator.messages import Answer, ok


def current_user(call: Call) -> Answer:
    if call.anonymous:
        icon = {"path": f"{call.context}/images/icons/profilepics/anonymous.svg", "width": 48, "height": 48, "isDefault": True}
        return ok(
            {
                "type": "anonymous",
                "profilePicture": icon,
                "displayName": "Anonymous",
                "_links": {"base": call.base, "context": call.context},
            }
        )
    if call.place is Place.DATA_CENTER:
        known = {"type": "known", "username": call.user, "userKey": "8a808a8e51fe0c8d015203eb9d530001", "displayName": "Simulated Reader"}
        return ok({**known, "_links": {"base": call.base, "context": call.context}}, X_AUSERNAME=call.user, X_Seraph_LoginReason="OK")
    names = {"accountId": "712020:00000000-5f0e-4c1a-9b7d-simulated", "accountType": "atlassian", "email": call.user}
    shown = {
        "publicName": "Simulated Reader",
        "displayName": "Simulated Reader",
        "timeZone": call.time_zone,
        "isExternalCollaborator": False,
    }
    return ok(
        {"type": "known", **names, **shown, "_links": {"base": call.base, "context": call.context, "self": f"{call.base}/rest/api/user"}}
    )


def system_info(call: Call) -> Answer:
    names = {"cloudId": call.cloud_id, "commitHash": "simulated", "baseUrl": call.base, "edition": "standard"}
    return ok({**names, "siteTitle": "Confluence", "defaultLocale": "en_GB", "defaultTimeZone": call.time_zone})


def server_information(call: Call) -> Answer:
    return ok({"version": "9.2.1", "baseUrl": call.base, "buildNumber": "9109"})
