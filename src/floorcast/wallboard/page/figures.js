/** Figures as people read them. */

const grouped = new Intl.NumberFormat("en-US");
const clockTime = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const hourMinute = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

/** A whole number, its thousands parted. */
export function count(number) {
  return grouped.format(number);
}

/** A share of a hundred, to one decimal. */
export function percent(share) {
  return `${Number(share.toFixed(1))}%`;
}

/**
 * The calls that a service's rates are about, as exactly as its rates tell.
 *
 * The agents' own outbound calls are handled and count in no rate, so a service may have handled
 * calls and still no rate.
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

/** Seconds as a person says them. */
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

/** "1 call", "2 calls". */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
