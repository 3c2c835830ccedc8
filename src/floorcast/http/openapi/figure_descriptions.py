"""Descriptions of the figures, in the same words as the definitions in ``docs/metrics.md``.

A test compares the two. Durations are in whole seconds unless a description says otherwise.
"""

from __future__ import annotations

__all__ = ["FIGURES"]

FIGURES = {
    # calls of a service
    "totalOffered": "Calls offered today: handled + abandoned + moved on + still waiting.",
    "totalHandled": "Calls handled today, including unqueued outbound calls.",
    "totalAbandoned": "Calls abandoned today.",
    "abandonRate": "100 × abandoned ÷ (handled + abandoned), in percent. Here and in the service"
    " level, handled excludes unqueued outbound calls.",
    "totalCallsAnsweredWithinSLA": "Calls handled after a wait of at most `sla_seconds`, excluding"
    " unqueued outbound calls.",
    "totalCallsAbandonedWithinSLA": "Calls abandoned after a wait of at most `sla_seconds`.",
    "serviceLevel": "The percentage of calls answered in time, by the service's formula.",
    "averageSpeedOfAnswer": "Mean wait of the handled calls, including the time that the agent's"
    " phone rang and excluding unqueued outbound calls.",
    "averageDurationToAbandon": "Mean wait of the abandoned calls.",
    "averageTalkDuration": "Mean time from the answer to the end of a handled call, or to the next"
    " queue if the call is passed on, including hold. A call that is still with its agent does not"
    " count; a call that leaves its agent through `call.leave` does.",
    "averageWrapupDuration": "Mean wrap-up time after a handled call, over the same calls. A call"
    " without wrap-up counts as 0. A wrap-up belongs to the call that its WRAP_UP event names. If"
    " the event names no call, the wrap-up belongs to the last call that the agent answered before"
    " the wrap-up began. If a call has several agents, all of their wrap-ups count.",
    "averageHandleDuration": "Mean talk + wrap-up time, over the same calls.",
    "totalCallsInQueue": "Calls that are waiting now.",
    "longestCallInQueue": "How long the longest-waiting call has waited so far.",
    "callsWithAgent": "Calls in progress with an agent. If an agent's IN_CALL event names another"
    " call, the agent has left the previous one.",
    "cip": "Outbound calls in progress now, dialing or connected, including manual calls.",
    "totalAgents": "Agents logged in to the service now. An agent who is logged in to several"
    " services counts in each.",
    "loaded": "Records loaded in the service's campaigns for today.",
    "remaining": "Records still to be dialed in the service's campaigns for today.",
    "playingDialable": "Records that could be dialed now in the campaigns that are PLAYING.",
    "percentComplete": "100 × (loaded − remaining) ÷ loaded; 100 if nothing is loaded.",
    # agents
    "inboundCalls": "Inbound calls that the agent answered today. An agent has answered a call if"
    " an IN_CALL or `call.answer` event names both. This includes the second agent in a"
    " consultation or conference.",
    "outboundCalls": "Outbound and manual calls that the agent answered today.",
    "readyDuration": "Time spent in Ready today.",
    "totalNotReadyDuration": "Time spent in Not Ready today: the sum of the six reasons.",
    "notReadyLunchDuration": "Time spent in Not Ready today with the reason LUNCH.",
    "notReadyTrainingDuration": "Time spent in Not Ready today with the reason TRAINING.",
    "notReadyBreakDuration": "Time spent in Not Ready today with the reason BREAK.",
    "notReadyMeetingDuration": "Time spent in Not Ready today with the reason MEETING.",
    "notReadyTechDiffDuration": "Time spent in Not Ready today with the reason TECH_DIFFICULTIES.",
    "notReadyOtherDuration": "Time spent in Not Ready today with any other reason, including"
    " VOICE_MAIL and none, unless the site maps it (`[[client.not_ready_reason]]`).",
    "wrapupDuration": "Time spent in Wrapup today.",
    "talkDuration": "Time spent in calls today: In Call, Hold and Transferring.",
    "rpcComplete": "Calls dispositioned today as right-party contacts with the intended result."
    " Each call counts once, by its latest term code. A term code that names no agent belongs to"
    " the agent who had the call at that time.",
    "rpcIncomplete": "Calls dispositioned today as right-party contacts without that result.",
    "wpc": "Calls dispositioned today as wrong-party contacts.",
    "nonContacts": "Calls dispositioned today with any other term code.",
    "averageReadyTime": "Mean time per visit to Ready today.",
    "averageNotReadyTime": "Mean time per visit to Not Ready today.",
    "averageTalkTime": "Mean time per visit to In Call today, excluding Hold and Transferring.",
    "averageWrapupTime": "Mean time per visit to Wrapup today.",
    "averagePreviewDialTime": "Mean time per visit to Preview Dial today.",
    "averageManualDialTime": "Mean time per visit to Manual Dial today.",
    "averageHoldTime": "Mean time per visit to Hold today.",
    "averageTransferringTime": "Mean time per visit to Transferring today.",
    "averageRegisteringTime": "Mean time per visit to Registering today.",
    "averageDialingTime": "Mean time per visit to Dialing today.",
    "averageReservedTime": "Mean time per visit to Reserved today.",
}
