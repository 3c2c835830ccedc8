/** How this browser announces alerts: a sound and a notification, both off by default. */

import { write } from "./table.js";

const SOUND = "floorcast.alerts.sound";
const NOTICES = "floorcast.alerts.notices";
const TONES = [880, 660]; // Hz, one after the other
const TONE = 0.18; // seconds

export class Notices {
  /**
   * @param {HTMLElement} place the element with a checkbox for each
   * @param {HTMLElement} failure shows why one is not available
   */
  constructor(place, failure) {
    this.sound = place.querySelector("[name=sound]");
    this.notices = place.querySelector("[name=notices]");
    this.failure = failure;
    this.sound.checked = localStorage.getItem(SOUND) === "on";
    this.notices.checked = localStorage.getItem(NOTICES) === "on" && isAllowed();
    this.sound.onchange = () => {
      keep(SOUND, this.sound.checked);
      if (this.sound.checked) alertSound(); // lets the user check the volume
    };
    this.notices.onchange = () => this.#choose();
  }

  get wantsSound() {
    return this.sound.checked && document.visibilityState === "visible";
  }

  get wantsNotices() {
    return this.notices.checked && isAllowed();
  }

  /** Show a notification. A new one of the same alert replaces the previous one, in every tab. */
  notify(alert, title, body) {
    new Notification(title, { body, tag: alert, icon: "/wallboard/icon.svg" });
  }

  async #choose() {
    write(this.failure, "");
    if (this.notices.checked && !(await mayNotify())) {
      this.notices.checked = false;
      write(this.failure, "The browser does not allow notifications for this page.");
    }
    keep(NOTICES, this.notices.checked);
  }
}

/** Play two short tones. Browsers play no sound before the user interacts with the page. */
export function alertSound() {
  const context = new AudioContext();
  if (context.state === "suspended") {
    context.close();
    return;
  }
  TONES.forEach((frequency, index) => {
    const start = context.currentTime + index * TONE;
    const [tone, gain] = [context.createOscillator(), context.createGain()];
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0.2, start);
    gain.gain.exponentialRampToValueAtTime(0.001, start + TONE);
    tone.connect(gain).connect(context.destination);
    tone.start(start);
    tone.stop(start + TONE);
    if (index === TONES.length - 1) tone.onended = () => context.close();
  });
}

function isAllowed() {
  return "Notification" in window && Notification.permission === "granted";
}

async function mayNotify() {
  return "Notification" in window && (await Notification.requestPermission()) === "granted";
}

function keep(name, isOn) {
  localStorage.setItem(name, isOn ? "on" : "off");
}
