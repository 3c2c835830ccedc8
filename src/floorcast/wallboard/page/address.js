/**
 * What the address says of the view, behind its `#`, so that a view can be bookmarked and a screen
 * can start with it: `#wall&service=38049,38050&callCenter=1623`. It never leaves the browser.
 */

const WALL = "wall";
const KEY = "key"; // of a screen
const IDS = { service: "services", callCenter: "callCenters" };

/**
 * @typedef {object} View
 * @property {boolean} isWall
 * @property {Set<string>} services     ids; none of both: everything
 * @property {Set<string>} callCenters
 */

/** @returns {View} what the address says */
export function view() {
  const said = parameters();
  const ids = (name) => new Set((said.get(name) ?? "").split(",").filter((id) => /^\d+$/.test(id)));
  return { isWall: said.has(WALL), services: ids("service"), callCenters: ids("callCenter") };
}

/** Say it. */
export function change(changes) {
  const next = { ...view(), ...changes };
  const said = next.isWall ? [WALL] : [];
  for (const [name, member] of Object.entries(IDS)) {
    if (next[member].size) said.push(`${name}=${[...next[member]].join(",")}`);
  }
  const hash = said.length ? `#${said.join("&")}` : location.pathname;
  history.replaceState(null, "", hash);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The key of a screen that the address brings, which is taken out of it: it is a secret. */
export function takeKey() {
  const key = parameters().get(KEY) ?? "";
  if (key) change({ isWall: true });
  return key;
}

/** A view's filter as the API takes it; null: none. */
export function filterOf({ services, callCenters }) {
  if (!services.size && !callCenters.size) return null;
  const ids = (some) => [...some].map((id) => ({ id }));
  return {
    ...(services.size && { service: ids(services) }),
    ...(callCenters.size && { callCenter: ids(callCenters) }),
  };
}

/** Whether a view shows what belongs to a service and its call center. */
export function shows({ services, callCenters }, serviceId, callCenterId) {
  if (!services.size && !callCenters.size) return true;
  return services.has(String(serviceId)) || callCenters.has(String(callCenterId));
}

function parameters() {
  return new URLSearchParams(location.hash.slice(1));
}
