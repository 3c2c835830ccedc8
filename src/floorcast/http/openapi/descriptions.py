"""Descriptions of request and response members, for the OpenAPI document.

``MEMBERS`` maps a member's name to its description. If a member means something else in one type,
that type's description has the key ``Type.name``. The figures are in ``figure_descriptions.py``.
Durations are in whole seconds unless a description says otherwise.
"""

from __future__ import annotations

from floorcast.http.openapi.figure_descriptions import FIGURES

__all__ = ["MEMBERS", "description"]


MEMBERS = {
    # the envelope of an event that a source sends
    "specversion": "The CloudEvents version.",
    "id": "Together with `source`, identifies the event. If you send an event again, use the same"
    " id.",
    "source": "The sender's name. Together with `id`, it identifies the event.",
    "type": "The type of the event, which determines the members of `data`.",
    "time": "When the event happened. If absent, the server uses the time at which it records the"
    " event.",
    "data": "What happened.",
    # a call
    "transactionId": "The call's transaction id. Together with `sessionId`, it identifies the"
    " call.",
    "sessionId": "The call's session id. Together with `transactionId`, it identifies the call.",
    "service": "The service, by id or name. An unknown name creates a service.",
    "serviceId": "The service's id.",
    "serviceName": "The service's name.",
    "callCenterId": "The id of the call center that the service belongs to.",
    "callCenterName": "The name of the call center that the service belongs to.",
    "direction": "The call's direction. MANUAL means that an agent dialed the call.",
    "callDirection": "The call's direction. MANUAL means that an agent dialed the call.",
    "campaign": "The campaign, by id or name. An unknown name creates a campaign.",
    "campaignId": "The campaign's id.",
    "campaignType": "The campaign's type, as sent by the source.",
    "campaignTypeId": "The id of the campaign's type, as sent by the source.",
    "phoneDialed": "The number that was dialed.",
    "callerId": "The caller's number.",
    "account": "The customer's account.",
    "consumer": "The customer.",
    "firstName": "The customer's first name.",
    "lastName": "The customer's last name.",
    "totalDue": "The amount that the customer owes.",
    "zipCode": "The customer's postal code.",
    "areaCodeState": "The state that the number's area code belongs to.",
    "phonePosition": "Which of the account's numbers was dialed.",
    "priority": "The call's priority in the queue.",
    "operatorPhone": "The operator's number.",
    "skill": "The skill that the call requires.",
    "agentSkillId": "The skill that the call required; empty if none is known.",
    "start": "When the call began, in ISO 8601.",
    "end": "When the call ended, in ISO 8601.",
    "duration": "The time from the answer, or from the start if nobody answered, to the end of the"
    " call.",
    "transferHoldDuration": "The time that the call spent in the queue.",
    "roundedIvrDuration": "The time that the call spent in the voice menu.",
    "serviceLevelThreshold": "The service's `sla_seconds` when the call ended.",
    "operatorTransfer": "1 if the call was offered to agents, otherwise 0.",
    "operatorTransferSuccessful": "1 if an agent answered the call, otherwise 0.",
    "lvResult": "The call's result.",
    "lvResultId": "The id of the call's result.",
    "termCode": "The term code that the agent chose.",
    "termCodeName": "The latest term code; null if there is none.",
    "agentActionType": "What the agent did, as sent by the source.",
    "callOutcome1": "The first outcome, as sent by the source.",
    "callOutcome2": "The second outcome, as sent by the source.",
    "callOutcome3": "The third outcome, as sent by the source.",
    "callDirectionOutbound": "Whether the call is outbound.",
    "callStartTime": "When the call began.",
    "callEndTime": "When the call ended, in ms since 1970.",
    "callEventType": "The type of the voice event.",
    "phone": "The customer's number: the caller's number for an inbound call, the dialed number for"
    " any other call.",
    "phoneNumber": "The customer's number.",
    "to": "Where the call went.",
    "key": "The key that the caller pressed.",
    "ringSeconds": "How long the agent's phone rang.",
    # an agent
    "agent": "The agent, by id or login. An unknown login creates an agent.",
    "agent2": "The other agent in a transfer, by id or login.",
    "agentId": "The agent's id.",
    "agent2Id": "The id of the other agent in a transfer.",
    "agentLoginId": "The agent's login.",
    "agentName": "The agent's name, or the agent's login if the site declares no name.",
    "agentServiceId": "The id of the service that the agent is logged in to.",
    "agentTeamId": "The id of the agent's team.",
    "callServiceId": "The id of the current call's service.",
    "lineNumber": "The line: ACD, DIRECT, EXT1 to EXT20, or other text from the source.",
    "notReadyReasonCode": "The reason for NOT_READY.",
    "reasonCode": "The reason for Not Ready; empty in any other state.",
    "result": "The result, as sent by the source.",
    "team": "The agent's team, by id or name. The server remembers the team.",
    "monitored": "Whether a supervisor is listening to the agent.",
    "isAgentMonitored": "Whether a supervisor is listening to the agent.",
    "call": "The current call.",
    "callType": "The current call's direction.",
    "supervisor": "The supervisor in a transfer.",
    "supervisorSessionId": "The session id of the supervisor's call.",
    "supervisorPhoneNumber": "The supervisor's number.",
    "agentStatus": "The agent's state.",
    "stateId": "The state's number.",
    "stateChangedTime": "When the state began, in ms since 1970.",
    "stateChangedAfter": "When the state began, in ms since 1970.",
    "seqNum": "The event's sequence number among the agent's events, without gaps.",
    # an email or an SMS
    "fromEmail": "The sender's address.",
    "toEmail": "The recipient's address.",
    "smsCode": "The short code that the SMS was sent from.",
    "carrier": "The carrier.",
    "threadId": "The conversation's id.",
    "accountNumber": "The customer's account.",
    "acctTransactionId": "The account's transaction id.",
    # feeds
    "token": "A position in the feed. Send it in the next request to get the events after it.",
    "events": "The events, oldest first.",
    "agentEvent": "The events, oldest first.",
    "callEvent": "The events, oldest first.",
    "eventId": "Identifies the event. Send it as a token to get the events after this one.",
    "interactionType": "The channel.",
    "timestamp": "When the event happened, in ISO 8601.",
    "clientId": "The client's id.",
    "at": "A time in the last 26 hours: ms since 1970, ISO 8601, or a token. The response shows the"
    " state at that time. Null means now.",
    "filter": "Selects what the response contains.",
    "callCenter": "Matches any of these call centers.",
    # statistics
    "stats": "One row per service, agent or campaign.",
    "calls": "The outbound calls in progress now.",
    "agentStatistics": "One row per agent.",
    "agentAverages": "One row for all agents that the filter selects.",
    "agentDetails": "One row per agent.",
    "callsDetails": "The waiting calls, longest wait first.",
    "liveConnects": "Six five-minute intervals. The last one ends now.",
    "total": "The number of calls in the interval.",
    "timeStamp": "When the response was created, in ms since 1970.",
    "pacingMethod": "The service's pacing method, from the site file.",
    "throttle": "The service's throttle, from the site file.",
    "units": "The service's units, from the site file.",
    "maxHoldTime": "The service's longest hold time, from the site file.",
    "targetServiceLevel": "The target service level, in percent.",
    "targetSeconds": "The target speed of answer.",
    "intervals": "One row for each interval and service with nonzero counts, ordered by start, then"
    " by service id.",
    "interval": "The length of an interval, in seconds.",
    "last": "How many seconds to look back. If absent, the response contains today's intervals.",
    "uploaded": "Records uploaded.",
    "completed": "Records completed.",
    "dialable": "Records that could be dialed now.",
    "timezones": "Records by time zone.",
    "timezoneBreakdown": "Records by time zone.",
    "timezone": "The time zone.",
    "count": "The number of records.",
    # sessions
    "clientName": "The client's name or id.",
    "userName": "The user's name, or an agent's login.",
    "password": "The password.",
    "newPassword": "The new password, of at least 12 characters.",
    "userId": "The user's id.",
    "daysUntilPasswordExpires": "Always 9999: passwords do not expire.",
    # responses
    "accepted": "The number of events that are now stored.",
    "duplicates": "The number of events that were already stored. They change nothing.",
    "rejected": "The events that were not stored, and why. At most 1,000 are listed.",
    "moreRejected": "The number of rejected events that are not listed.",
    "index": "The event's position in the request, counted from 0.",
    "code": "The error code.",
    "message": "What is wrong, and what to change.",
    "status": "The result of the check.",
    # members that mean something else in one type
    "ServiceInterval.start": "The interval's first millisecond, in ms since 1970. Intervals are"
    " counted from midnight in the client's time zone.",
    "ServiceInterval.end": "The first millisecond after the interval, in ms since 1970.",
    "ServiceInterval.complete": "Whether the interval is over. False for the interval in progress.",
    "ServiceInterval.offered": "Calls offered to agents, counted when they joined the queue.",
    "ServiceInterval.handled": "Calls that were answered, counted when they were answered.",
    "ServiceInterval.abandoned": "Calls that were abandoned, counted when they ended.",
    "ServiceInterval.movedOn": "Calls that left the service unanswered and continued, counted when"
    " they left. They are grouped by the reason in `call.leave`, or under REQUEUED if they joined"
    " another service's queue.",
    "ServiceInterval.missed": "Offers that agents did not answer (`agent.missed`).",
    "ServiceInterval.transferred": "Handled calls that their agent passed on, counted when they"
    " left the agent.",
    "ServiceInterval.answeredWithinSLA": "Calls answered after a wait of at most `sla_seconds`.",
    "ServiceInterval.abandonedWithinSLA": "Calls abandoned after a wait of at most `sla_seconds`.",
    "ServiceInterval.abandonedShort": "Calls abandoned after a wait of at most"
    " `short_abandon_seconds`.",
    "ServiceInterval.serviceLevel": "The interval's service level, by the service's formula.",
    "ServiceInterval.abandonRate": "100 × abandoned ÷ (handled + abandoned), for the interval.",
    "ServiceInterval.averageSpeedOfAnswer": "Mean wait of the calls answered in the interval.",
    "ServiceInterval.averageTalkDuration": "Mean talk time of the calls that left their agent in"
    " the interval.",
    "ServiceInterval.averageWrapupDuration": "Mean wrap-up time of these calls.",
    "ServiceInterval.averageHandleDuration": "Mean talk + wrap-up time of these calls.",
    "ServiceInterval.averageHoldDuration": "The agents' time in Hold ÷ the number of these calls.",
    "ServiceInterval.waitP50": "The wait that half of the calls answered in the interval did not"
    " exceed, in whole seconds.",
    "ServiceInterval.waitP90": "The wait that 90% of these calls did not exceed, in whole seconds.",
    "ServiceInterval.waitMax": "The longest wait of these calls, in whole seconds.",
    "ServiceInterval.readyTime": "The agents' time in Ready within the interval.",
    "ServiceInterval.talkTime": "The agents' time in calls within the interval, including hold and"
    " transfer.",
    "ServiceInterval.wrapupTime": "The agents' time in Wrapup within the interval.",
    "ServiceInterval.notReadyTime": "The agents' time in Not Ready within the interval.",
    "ServiceInterval.loggedInTime": "The agents' time in any state except Logoff within the"
    " interval.",
    "ServiceInterval.occupancy": "100 × (talk + wrap-up) ÷ (talk + wrap-up + ready), computed from"
    " the agents' times.",
    "ServiceInterval.agentsMax": "The largest number of agents logged in to the service at any one"
    " time.",
    "ServiceInterval.queueMax": "The largest number of calls waiting at any one time.",
    "FigureCallsRequest.filter": "Selects the service that the figure belongs to.",
    "OneService.service": "A list with exactly one service.",
    "FigureCallsRequest.figure": "The figure whose calls to list.",
    "FigureCallsRequest.start": "The interval's first millisecond, as in `service/stats/intervals`."
    " Requires `end`.",
    "FigureCallsRequest.end": "The first millisecond after the interval.",
    "FigureCallsRequest.cursor": "The cursor from the previous response. Omit it for the first"
    " page.",
    "FigureCallsRequest.client": "The client, if more than one client has the service.",
    "FigureCallsAnswer.calls": "At most 1,000 calls, in the order in which the figure counts them.",
    "FigureCallsAnswer.total": "The figure's value: the number of calls on all pages.",
    "FigureCallsAnswer.cursor": "Send it to get the next page. Null on the last page.",
    "FigureCall.transactionId": "The call's transaction id.",
    "FigureCall.sessionId": "The call's session id.",
    "FigureCall.campaignId": "The call's campaign.",
    "FigureCall.direction": "INBOUND, OUTBOUND or MANUAL; null if no event contained it, or if it"
    " was set at a service that the user may not see.",
    "FigureCall.phone": "The customer's number.",
    "FigureCall.account": "The customer's account.",
    "FigureCall.joined": "When the call joined the service's queue, in ms; null if it was answered"
    " without a wait.",
    "FigureCall.answered": "When the call was answered at the service, in ms.",
    "FigureCall.left": "When the call ended at the service or left it, in ms.",
    "FigureCall.wait": "How long the call waited at the service. If it is still waiting, how long"
    " it has waited so far.",
    "FigureCall.talk": "The time from the answer until the call left the service, or until now.",
    "FigureCall.agentLoginId": "The login of the agent who answered the call at the service.",
    "FigureCall.lvResult": "The call's result, as sent by the source.",
    "FigureCall.termCode": "The call's latest term code.",
    "ReportRequest.filter": "The services to report on, at most 150. If absent, all services that"
    " the user can see.",
    "CallRequest.filter": "The services whose calls are listed. If absent, all services that the"
    " user can see.",
    "from": "The first day in the client's time zone (2026-11-26), or the start time in ms since"
    " 1970 or ISO 8601.",
    "ReportRequest.to": "The last day (inclusive), or the time at which the report ends"
    " (exclusive). At most 31 days after `from`.",
    "CallRequest.to": "The last day (inclusive), or the time at which the list ends (exclusive). At"
    " most 31 days after `from`.",
    "ReportRequest.interval": "The length of an interval in seconds, or `day`.",
    "CallRequest.agentLoginId": "Selects the calls for which this agent was the first to answer.",
    "CallRequest.outcome": "Selects the calls with this outcome at the service.",
    "CallRequest.cursor": "The cursor from the previous response. Omit it for the first page.",
    "missing": "Hours that are no longer in the archive or in the log.",
    "MissingHour.clientId": "The client whose hour is missing.",
    "MissingHour.start": "The hour's first millisecond.",
    "MissingHour.end": "The first millisecond after the hour.",
    "AgentReport.intervals": "One row for each interval and agent with nonzero counts, ordered by"
    " start, then by agent id.",
    "AgentInterval.start": "The interval's first millisecond.",
    "AgentInterval.end": "The first millisecond after the interval.",
    "AgentInterval.complete": "Whether the interval is over.",
    "AgentInterval.services": "The agent's figures for each service with nonzero counts.",
    "AgentInterval.agentName": "The agent's name, or the agent's login if there is no name.",
    "AgentInterval.agentLoginId": "The agent's login.",
    "CallReport.calls": "At most 1,000 calls that ended or expired in the span, ordered by that"
    " time.",
    "CallReport.cursor": "Send it to get the next page. Null on the last page.",
    "ArchivedCall.transactionId": "The call's transaction id.",
    "ArchivedCall.sessionId": "The call's session id.",
    "ArchivedCall.clientId": "The client that the call belongs to.",
    "ArchivedCall.serviceId": "The service; null if none is known.",
    "ArchivedCall.campaignId": "The call's campaign.",
    "ArchivedCall.direction": "INBOUND, OUTBOUND or MANUAL; null if no event contained it.",
    "ArchivedCall.phone": "The customer's number, in the form set by `archive_personal`.",
    "ArchivedCall.account": "The customer's account, in the form set by `archive_personal`.",
    "ArchivedCall.joined": "When the call joined the service's queue, in ms.",
    "ArchivedCall.answered": "When the call was answered at the service, in ms.",
    "ArchivedCall.left": "When the call left the service, in ms.",
    "ArchivedCall.ended": "When the call ended, in ms; null if the server received no end.",
    "ArchivedCall.expired": "When the call expired, in ms, if the server received no end.",
    "ArchivedCall.outcome": "`handled`, `abandoned` or `movedOn`; `open` if the call expired in the"
    " queue; `none` if it reached no service.",
    "ArchivedCall.wait": "How long the call waited in the service's queue; null if it did not"
    " wait.",
    "ArchivedCall.talk": "The time from the answer until the call left the service; null if it was"
    " not answered.",
    "ArchivedCall.agentLoginId": "The login of the first agent who answered the call.",
    "ArchivedCall.lvResult": "The call's result, as sent by the source.",
    "ArchivedCall.termCode": "The call's latest term code.",
    "ServiceReport.timeStamp": "When the response was created, in ms since 1970.",
    "AgentReport.timeStamp": "When the response was created, in ms since 1970.",
    "CallReport.timeStamp": "When the response was created, in ms since 1970.",
    "AgentEvent.sessionId": "The current call's session id.",
    "AgentEvent.transactionId": "The current call's transaction id.",
    "AgentEvent.timestamp": "When the agent entered the state, in ms since 1970.",
    "AgentEvent.eventType": "The state that the agent entered, or what happened to a transfer.",
    "AgentDetails.sessionId": "The current call's session id.",
    "AgentDetails.transactionId": "The current call's transaction id.",
    "AgentDetails.serviceId": "The service that the agent is logged in to. If there are several,"
    " the current one.",
    "AgentDetails.serviceName": "That service's name.",
    "AgentDetails.state": "The name of the agent's state.",
    "AgentDetails.agentSkill": "The agent's skill; null if no event contained it, or if the user"
    " may not see the agent's current service.",
    "AgentDetails.inboundCalls": "Inbound calls that the agent answered today; null if there are"
    " none.",
    "AgentDetails.outboundCalls": "Outbound and manual calls that the agent answered today; null if"
    " there are none.",
    "AgentMissedData.reason": "Why the agent did not answer the call.",
    "AgentServices.services": "The agent's figures for today, by service.",
    "AgentStateData.eventType": "The state that the agent entered, or what happened to a transfer.",
    "AgentStateData.reason": "The reason for NOT_READY.",
    "AgentStateData.service": "The service that the agent is logged in to, by id or name. If"
    " `services` is sent, this is the current service.",
    "AgentStateData.services": "Every service that the agent serves, by id or name. Send the list"
    " with LOGON and whenever it changes.",
    "AgentStateData.skill": "The agent's skill.",
    "CallConsumer.firstName": "The customer's first name.",
    "CallDispositionData.agent": "The agent who chose the term code. If absent, the agent who had"
    " the call at the event's time.",
    "CallDispositionEvent.timestamp": "When the term code was set, in ISO 8601.",
    "CallEndData.start": "When the call began.",
    "CallEndData.end": "When the call ended.",
    "CallLeaveData.reason": "Why the call left.",
    "CallQueueData.service": "The service whose queue the call joins, if it is not the call's"
    " current service.",
    "CampaignConditions.campaign": "Matches any of these campaigns.",
    "CampaignConditions.service": "Matches any of these services.",
    "CampaignStatistics.loaded": "Records loaded.",
    "CampaignStatistics.remaining": "Records still to be dialed.",
    "CampaignStatistics.serviceId": "The service that the campaign dials for.",
    "CampaignStatistics.name": "The campaign's name.",
    "CampaignUpdateData.name": "A new name for the campaign.",
    "CampaignUpdateData.state": "The campaign's state.",
    "CampaignUpdateData.loaded": "Records loaded.",
    "CampaignUpdateData.remaining": "Records still to be dialed.",
    "EmailAttemptData.sessionId": "The message's session id.",
    "EmailAttemptData.eventType": "What happened to the email.",
    "EmailEvent.sessionId": "The message's session id.",
    "EmailEvent.eventType": "What happened to the email.",
    "FeedRequest.token": "The position to start after: a token or an `eventId`. Empty or absent"
    " means now.",
    "AgentFeedRequest.token": "The position to start after: a token or an `eventId`. Empty or"
    " absent means now.",
    "IdCondition.id": "The id.",
    "InteractionConditions.interactionType": "Matches any of these channels.",
    "InteractionConditions.service": "Matches any of these services.",
    "KindCondition.type": "The channel: VOICE, SMS or EMAIL.",
    "LiveConnects.timeStamp": "When the interval ends, in ms since 1970.",
    "LoggedIn.sessionId": "The session's id. Send it as `LV-Session` with every request.",
    "Login.agent": "Whether the login is an agent's rather than a user's.",
    "PasswordChange.agent": "Whether the password is an agent's rather than a user's.",
    "OutboundCall.callStartTime": "When the call began, in ms since 1970.",
    "OutboundCall.state": "DIALING, QUEUED or CONNECTED.",
    "AlertAnswer.alerts": "One row per rule and service. Firing alerts come first. Alerts with the"
    " same status are ordered by name, then by service.",
    "AlertAnswer.timeStamp": "When the response was created, in ms since 1970.",
    "AlertRow.alertId": "The alert's id. It stays the same if the rule's threshold changes. No"
    " other alert of any client has it.",
    "AlertRow.clientId": "The client that the rule belongs to.",
    "AlertRow.name": "The rule's name.",
    "AlertRow.status": "`ok`, `pending` (beyond the threshold, but not for long enough), `firing`,"
    " or `acknowledged` by a user.",
    "AlertRow.since": "When the status began, in ms since 1970; for `acknowledged`, when the alert"
    " began to fire. Null if the status has never changed.",
    "AlertRow.figure": "The figure that the rule watches.",
    "AlertRow.value": "The figure's value now, or at the time given in `at`. Null outside the"
    " rule's hours, and for `silence` before the first event.",
    "AlertRow.condition": "Whether the alert fires above or below the threshold.",
    "AlertRow.threshold": "The rule's threshold.",
    "AlertRow.clear": "The value at which a firing alert clears.",
    "AlertRow.for": "How many seconds the figure must be beyond the threshold before the alert"
    " fires.",
    "AlertRow.serviceId": "The service, or null for a rule about the whole client.",
    "AlertRow.serviceName": "The service's name.",
    "AlertRow.callCenterId": "The id of the service's call center.",
    "AlertRow.callCenterName": "The name of the service's call center.",
    "AlertRow.acknowledgedBy": "The user who acknowledged the alert.",
    "AlertRow.acknowledgedAt": "When the user acknowledged the alert, in ms since 1970.",
    "AlertRow.to": "The webhooks that the rule sends alerts to.",
    "InCall.callStartTime": "When the call began, in ms since 1970.",
    "Rejected.id": "The event's `id`, if it has one.",
    "ScreenSession.sessionId": "The session's id. Send it as `LV-Session` with every request.",
    "ScreenSession.clientName": "The client's name.",
    "ServiceConditions.service": "Matches any of these services.",
    "ServiceFigures.id": "The service's id.",
    "SmsAttemptData.sessionId": "The message's session id.",
    "SmsAttemptData.eventType": "What happened to the SMS.",
    "SmsEvent.sessionId": "The message's session id.",
    "SmsEvent.eventType": "What happened to the SMS.",
    "Status.reason": "Why the server is not ready, or a problem that limits it.",
    "StatusRequest.stateChangedAfter": "Selects the agents whose state, reason or service changed"
    " after this time (ms since 1970 or ISO 8601), or whose change was recorded at or after it.",
    "Supervisor.sessionId": "The session id of the supervisor's call.",
    "Supervisor.phoneNumber": "The supervisor's number.",
    "WaitingCall.name": "The customer's name.",
    "WaitingCall.serviceId": "The service whose queue the call is waiting in.",
    "WaitingCall.timeStamp": "When the call began to wait, in seconds since 1970.",
    "WaitingCall.agentSkill": "The skill that the call requires, or the service's id if it requires"
    " none, or one that was set at a service that the user may not see. Null if neither is known.",
    "WaitingCallsAnswer.timeStamp": "When the response was created, in ms since 1970.",
}


def description(kind: str, member: str) -> str:
    """Return the description of a type's member. Raises KeyError if there is none."""
    if kind == "ZoneRecords":
        return f"Records in the time zone {member}."
    own = MEMBERS.get(f"{kind}.{member}") or FIGURES.get(member)
    return own or MEMBERS[member]
