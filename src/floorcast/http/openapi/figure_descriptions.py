"""Descriptions of the figures: the definitions in ``docs/metrics.md``, in the same words.

A test compares them. Durations are whole seconds unless a text says otherwise.
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
    "serviceLevel": "The share of calls answered in time, in percent, by the formula of the"
    " service.",
    "averageSpeedOfAnswer": "Mean wait of the handled calls. It includes the ringing at the agent"
    " and excludes unqueued outbound calls.",
    "averageDurationToAbandon": "Mean wait of the abandoned calls.",
    "averageTalkDuration": "Mean time of handled calls from the answer to the end, or to the next"
    " queue if the call is passed on, including hold. Calls still with their agent do not count; a"
    " call that leaves its agent by `call.leave` does.",
    "averageWrapupDuration": "Mean wrap-up that followed a handled call, over the same calls. A"
    " call without wrap-up counts 0. A wrap-up belongs to the call that its WRAP_UP names, or else"
    " to the last call that the agent answered before the wrap-up began. The wrap-ups of all agents"
    " of a call count.",
    "averageHandleDuration": "Talk + wrap-up, over the same calls.",
    "totalCallsInQueue": "Calls that are waiting now.",
    "longestCallInQueue": "The wait so far of the longest-waiting call.",
    "callsWithAgent": "Calls in progress with an agent. An agent whose IN_CALL names another call"
    " has left the previous one.",
    "cip": "Outbound calls in progress now, dialing or connected, including manual calls.",
    "totalAgents": "Agents logged in to the service now. An agent of several services counts in"
    " each.",
    "loaded": "Records loaded, over the service's campaigns of today.",
    "remaining": "Records still to be dialed, over the service's campaigns of today.",
    "playingDialable": "Records that could be dialed now, over the campaigns that are PLAYING.",
    "percentComplete": "100 × (loaded − remaining) ÷ loaded; 100 if nothing is loaded.",
    # agents
    "inboundCalls": "Inbound calls that the agent answered today. Every agent whom an IN_CALL or"
    " `call.answer` names with the call has answered it, including the second agent of a"
    " consultation or conference.",
    "outboundCalls": "Outbound and manual calls that the agent answered today.",
    "readyDuration": "Time today in Ready.",
    "totalNotReadyDuration": "Time today in Not Ready: the sum of the six reasons.",
    "notReadyLunchDuration": "Time today in Not Ready with the reason LUNCH.",
    "notReadyTrainingDuration": "Time today in Not Ready with the reason TRAINING.",
    "notReadyBreakDuration": "Time today in Not Ready with the reason BREAK.",
    "notReadyMeetingDuration": "Time today in Not Ready with the reason MEETING.",
    "notReadyTechDiffDuration": "Time today in Not Ready with the reason TECH_DIFFICULTIES.",
    "notReadyOtherDuration": "Time today in Not Ready with any other reason, including VOICE_MAIL"
    " and none, unless the site maps it (`[[client.not_ready_reason]]`).",
    "wrapupDuration": "Time today in Wrapup.",
    "talkDuration": "Time today in a call: In Call, Hold and Transferring.",
    "rpcComplete": "Calls dispositioned today as right-party contacts with the intended result,"
    " each once, by its latest term code. A term code that names no agent belongs to the agent who"
    " had the call at its time.",
    "rpcIncomplete": "Calls dispositioned today as right-party contacts without that result.",
    "wpc": "Calls dispositioned today as wrong-party contacts.",
    "nonContacts": "Calls dispositioned today with any other term code.",
    "averageReadyTime": "Mean time per visit today in Ready.",
    "averageNotReadyTime": "Mean time per visit today in Not Ready.",
    "averageTalkTime": "Mean time per visit today in In Call only.",
    "averageWrapupTime": "Mean time per visit today in Wrapup.",
    "averagePreviewDialTime": "Mean time per visit today in Preview Dial.",
    "averageManualDialTime": "Mean time per visit today in Manual Dial.",
    "averageHoldTime": "Mean time per visit today in Hold.",
    "averageTransferringTime": "Mean time per visit today in Transferring.",
    "averageRegisteringTime": "Mean time per visit today in Registering.",
    "averageDialingTime": "Mean time per visit today in Dialing.",
    "averageReservedTime": "Mean time per visit today in Reserved.",
}
