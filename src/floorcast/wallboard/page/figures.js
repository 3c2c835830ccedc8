/** Formats figures for people. */

const grouped = new Intl.NumberFormat("en-US");
const clockTime = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const hourMinute = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });
const dayHourMinute = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  hour: "2-digit",
  minute: "2-digit",
});

/** A whole number with thousands separators. */
export function count(number) {
  return grouped.format(number);
}

/** A percentage, always with one decimal, so that columns are aligned. */
export function percent(share) {
  return `${share.toFixed(1)}%`;
}

/**
 * The number of calls behind a service's rates, as exactly as the rates allow.
 *
 * Agents' own outbound calls are handled but do not count in rates, so a service may have handled
 * calls but no rate.
 */
export function callsInRates(service) {
  const { totalAbandoned: abandoned, abandonRate, serviceLevel } = service;
  const within = service.totalCallsAnsweredWithinSLA;
  if (abandoned) return Math.round((100 * abandoned) / abandonRate);
  if (within) return Math.round((100 * within) / serviceLevel);
  return service.averageSpeedOfAnswer ? service.totalHandled : 0;
}

/** Seconds as m:ss, or h:mm:ss from an hour on. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(s).padStart(2, "0");
  return h ? `${h}:${String(m).padStart(2, "0")}:${tail}` : `${m}:${tail}`;
}

/** Seconds in words. */
export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}

/** A time of day, with seconds. */
export function timeOfDay(ms) {
  return clockTime.format(ms);
}

/** A time of day, to the minute. */
export function minuteOfDay(ms) {
  return hourMinute.format(ms);
}

/** A day of the week and a time of day, to the minute. */
export function momentOfDay(ms) {
  return dayHourMinute.format(ms);
}

/** "1 call", "2 calls". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/** The combined service level of services, weighted by calls. */
export function together(services) {
  let [calls, answered, level, wait] = [0, 0, 0, 0];
  for (const service of services) {
    const weight = callsInRates(service);
    const met = weight - service.totalAbandoned;
    calls += weight;
    answered += met;
    level += weight * service.serviceLevel;
    wait += met * service.averageSpeedOfAnswer;
  }
  return {
    calls,
    serviceLevel: calls ? level / calls : null,
    speedOfAnswer: answered ? wait / answered : null,
    abandoned: services.reduce((sum, one) => sum + one.totalAbandoned, 0),
    handled: services.reduce((sum, one) => sum + one.totalHandled, 0),
    waiting: services.reduce((sum, one) => sum + one.totalCallsInQueue, 0),
  };
}

/** The combined target service level in percent; null if no service has a target. */
export function targetOf(services) {
  const set = services.filter((one) => one.targetServiceLevel !== undefined);
  const weight = (one) => callsInRates(one) || 1;
  const all = set.reduce((sum, one) => sum + weight(one), 0);
  return all ? set.reduce((sum, one) => sum + weight(one) * one.targetServiceLevel, 0) / all : null;
}

/** "Sales", "Sales, Help", "Sales, Help + 3". */
export function named(names, most = 2) {
  const more = names.length - most;
  return names.slice(0, most).join(", ") + (more > 0 ? ` + ${more}` : "");
}
