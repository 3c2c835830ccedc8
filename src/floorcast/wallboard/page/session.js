/**
 * The session of this browser: signing in, renewing, signing out.
 *
 * The session's id lives as long as the tab. The password and the API token are kept in memory
 * alone, to sign in again when the session has ended; a page that was loaded anew asks the other
 * tabs, then the person. A screen has a key instead, which outlives a restart.
 */

import { Refusal, send } from "./requests.js";

const KEPT = "floorcast.session";
const KEY = "floorcast.screen-key";
const NO_TOKEN_HAS = /[^\x20-\x7e]/g; // nor can a header: fetch would fail as if the server were away
const LAST = "floorcast.last-sign-in"; // client and user, to be offered again
const OTHERS = 250; // ms in which other tabs answer

export const KEY_IS_OVER = "The key of this screen is no longer accepted.";

export class Session {
  #credentials = null;
  #key = localStorage.getItem(KEY) ?? "";
  #renewal = null;
  #asked = null; // what to do when another tab tells its session
  // The cookie is the browser's, the id the tab's: when another tab signs in as somebody else,
  // the streams of this one would show that one's floor.
  #tabs = new BroadcastChannel("floorcast.sign-in");

  /** @param {(why: string) => void} onOver another tab has ended what this one shows */
  constructor(onOver) {
    this.onOver = onOver;
    this.id = "";
    this.client = "";
    this.user = "";
    this.role = "";
    /** why the session could not be renewed */
    this.whyOver = "Your session has ended. Sign in again to continue.";
    this.#tabs.onmessage = ({ data }) => this.#hear(data);
  }

  /** Who is signed in: tabs of the same user share what follows the floor. */
  get who() {
    return `${this.client}\n${this.user}`;
  }

  /** Whether it can open another session by itself when this one has ended. */
  get canRenew() {
    return Boolean(this.#key || this.#credentials);
  }

  /** Go on with the key of this screen, with the tab's session, or with that of another tab. */
  async restore(key = "") {
    if (key) {
      this.#key = key;
      localStorage.setItem(KEY, key);
    }
    if (this.#key) {
      await this.#openScreen();
      return true;
    }
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") ?? (await this.#askTabs());
    if (kept) this.#become(kept);
    return Boolean(kept);
  }

  /** Who signed in last in this browser: `{clientName, userName}`. */
  static last() {
    return JSON.parse(localStorage.getItem(LAST) ?? "{}");
  }

  /** Sign in; throws what `send` throws. */
  async signIn({ clientName, userName, password, apiToken }) {
    const { body, role } = await send("POST", "/session/login?cookie=true", {
      headers: { "LV-Access": apiToken.replace(NO_TOKEN_HAS, "?") },
      body: { clientName, userName, password },
    });
    this.#credentials = { clientName, userName, password, apiToken };
    this.#forgetKey(); // a person has taken the screen over
    localStorage.setItem(LAST, JSON.stringify({ clientName, userName }));
    this.#become({ id: body.sessionId, client: clientName, user: userName, role });
    this.#tabs.postMessage(this.#told());
  }

  /** End the session in every tab; who cannot be told has forgotten it in two hours. */
  async signOut() {
    const { id } = this;
    this.forget();
    this.#forgetKey();
    this.#tabs.postMessage({ over: id });
    await send("DELETE", `/session/logout/${id}`).catch(() => {});
  }

  /** Forget who this is. */
  forget() {
    this.id = "";
    this.#credentials = null;
    sessionStorage.removeItem(KEPT);
  }

  /** The session goes on under another id, as another tab has found. */
  goOnAs(id) {
    this.#become({ ...this.#told(), id });
  }

  /**
   * The session has ended: open another. Whether there is one; throws what `send` throws, but for
   * credentials that are no longer right. Those who find it ended at once share one renewal.
   */
  renew() {
    this.#renewal ??= this.#renewNow().finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }

  async #renewNow() {
    if (!this.#key && !this.#credentials) return false;
    try {
      await (this.#key ? this.#openScreen() : this.signIn(this.#credentials));
      return true;
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 401)) throw error;
      if (this.#key) this.whyOver = KEY_IS_OVER;
      this.#credentials = null; // no longer right: somebody has to say what is
      this.#forgetKey();
      return false;
    }
  }

  #forgetKey() {
    this.#key = "";
    localStorage.removeItem(KEY);
  }

  async #openScreen() {
    const { body } = await send("POST", "/session/screen?cookie=true", {
      headers: { Authorization: `Bearer ${this.#key.replace(NO_TOKEN_HAS, "?")}` },
    });
    this.#become({ id: body.sessionId, client: body.clientName, user: "", role: "Screen" });
    this.#tabs.postMessage(this.#told());
  }

  #become({ id, client, user, role = "" }) {
    Object.assign(this, { id, client, user, role });
    sessionStorage.setItem(KEPT, JSON.stringify({ id, client, user, role }));
  }

  #told() {
    return { id: this.id, client: this.client, user: this.user, role: this.role };
  }

  /** The session of another tab, so that a second tab needs no second login; null: none. */
  #askTabs() {
    return new Promise((resolve) => {
      this.#asked = resolve;
      this.#tabs.postMessage({ ask: true });
      setTimeout(() => resolve(null), OTHERS);
    });
  }

  #hear({ ask, over, id, client, user }) {
    if (ask) {
      if (this.id) this.#tabs.postMessage({ ...this.#told(), answer: true });
    } else if (over) {
      if (over === this.id) this.#leave("You have signed out in another tab.");
    } else if (!this.id) {
      this.#asked?.({ id, client, user });
    } else if (client !== this.client || user !== this.user) {
      this.#leave("You have signed in with another session in another tab.");
    } else {
      this.goOnAs(id);
    }
  }

  #leave(why) {
    this.forget();
    this.onOver(why);
  }
}
