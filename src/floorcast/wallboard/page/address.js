/**
 * The view in the address, after `#`, so that a view can be bookmarked and a screen can start with
 * it: `#wall&service=38049,38050&callCenter=1623`. It never leaves the browser.
 */

const WALL = "wall";
const KEY = "key"; // of a screen
const IDS = { service: "services", callCenter: "callCenters" };

/**
 * @typedef {object} View
 * @property {boolean} isWall
 * @property {Set<string>} services     ids; if both sets are empty, everything is shown
 * @property {Set<string>} callCenters
 */

/** @returns {View} the view in the address */
export function view() {
  const said = parameters();
  const ids = (name) => new Set((said.get(name) ?? "").split(",").filter((id) => /^\d+$/.test(id)));
  return { isWall: said.has(WALL), services: ids("service"), callCenters: ids("callCenter") };
}

/** Write a view to the address. */
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

/** Return the screen key and remove it from the address, because it is a secret. */
export function takeKey() {
  const key = parameters().get(KEY) ?? "";
  if (key) change({ isWall: true });
  return key;
}

/** A view's filter for the API, or null if there is none. */
export function filterOf({ services, callCenters }) {
  if (!services.size && !callCenters.size) return null;
  const ids = (some) => [...some].map((id) => ({ id }));
  return {
    ...(services.size && { service: ids(services) }),
    ...(callCenters.size && { callCenter: ids(callCenters) }),
  };
}

/** Whether a view shows the data of a service and its call center. */
export function shows({ services, callCenters }, serviceId, callCenterId) {
  if (!services.size && !callCenters.size) return true;
  return services.has(String(serviceId)) || callCenters.has(String(callCenterId));
}

function parameters() {
  return new URLSearchParams(location.hash.slice(1));
}
