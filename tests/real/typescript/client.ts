import createClient from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

const [baseUrl, token, password] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl });

const login = await api.POST("/session/login", {
  headers: { "LV-Access": token },
  body: { clientName: "ACME", userName: "sysadmin", password },
});
if (!login.data) throw new Error(JSON.stringify(login.error));
const headers = { "LV-Session": login.data.sessionId };

const figures = await api.POST("/realtime/service/stats", { headers, body: {} });
if (!figures.data) throw new Error(JSON.stringify(figures.error));
const waiting: number[] = figures.data.stats.map((row) => row.totalCallsInQueue);

const calls = await api.POST("/realtime/service/calls", {
  headers,
  body: { filter: { service: [{ id: 1 }] }, figure: "totalCallsInQueue" },
});
if (!calls.data) throw new Error(JSON.stringify(calls.error));
const behind: number = calls.data.total;
const phones: (string | null)[] = calls.data.calls.map((call) => call.phone);

const feed = await api.POST("/realtime/event/feed", { headers, body: {} });
if (!feed.data) throw new Error(JSON.stringify(feed.error));
type InteractionEvent = components["schemas"]["FeedAnswer"]["events"][number];
function caller(event: InteractionEvent): string | null | undefined {
  if (event.interactionType === "VOICE") {
    return event.callEventType === "CALL_START" ? event.callerId : undefined;
  }
  return event.interactionType === "SMS" ? event.phoneNumber : event.fromEmail;
}
feed.data.events.map(caller);
console.log(JSON.stringify({ waiting, behind, phones: phones.length, token: feed.data.token !== "" }));
