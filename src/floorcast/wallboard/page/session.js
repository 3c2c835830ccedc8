/**
 * The session of this browser: signing in, renewing, signing out.
 *
 * The session's id lives as long as the tab. The password and the API token are only in memory,
 * to sign in again when the session has ended. A reloaded page asks the other tabs for the session,
 * then the user. A screen has a key instead, which survives a restart.
 */

import { Refusal, send } from "./requests.js";

const KEPT = "floorcast.session";
const KEY = "floorcast.screen-key";
const NO_TOKEN_HAS = /[^\x20-\x7e]/g; // also not allowed in a header: fetch would fail as if the server were down
const LAST = "floorcast.last-sign-in"; // client and user, which the form suggests
const OTHERS = 250; // ms to wait for other tabs

export const KEY_IS_OVER = "This screen's key is no longer accepted.";

export class Session {
  #credentials = null;
  #key = localStorage.getItem(KEY) ?? "";
  #renewal = null;
  #asked = null; // called when another tab sends its session
  // The cookie belongs to the browser, and the id belongs to the tab. If another tab signs in as another user,
  // the streams of this tab would show that user's floor.
  #tabs = new BroadcastChannel("floorcast.sign-in");

  /** @param {(why: string) => void} onOver called when another tab has ended the session */
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

  /** The signed-in user. Tabs of the same user share one Source. */
  get who() {
    return `${this.client}\n${this.user}`;
  }

  /** Whether the tab can open a new session without the user. */
  get canRenew() {
    return Boolean(this.#key || this.#credentials);
  }

  /** Continue with this screen's key, the tab's session, or another tab's session. */
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

  /** The last client and user of this browser: `{clientName, userName}`. */
  static last() {
    return JSON.parse(localStorage.getItem(LAST) ?? "{}");
  }

  /** Sign in. Throws the errors of `send`. */
  async signIn({ clientName, userName, password, apiToken }) {
    const { body, role } = await send("POST", "/session/login?cookie=true", {
      headers: { "LV-Access": apiToken.replace(NO_TOKEN_HAS, "?") },
      body: { clientName, userName, password },
    });
    this.#credentials = { clientName, userName, password, apiToken };
    this.#forgetKey(); // a person uses the screen now
    localStorage.setItem(LAST, JSON.stringify({ clientName, userName }));
    this.#become({ id: body.sessionId, client: clientName, user: userName, role });
    this.#tabs.postMessage(this.#told());
  }

  /** End the session in every tab. If the server cannot be reached, it expires in two hours. */
  async signOut() {
    const { id } = this;
    this.forget();
    this.#forgetKey();
    this.#tabs.postMessage({ over: id });
    await send("DELETE", `/session/logout/${id}`).catch(() => {});
  }

  /** Forget the session and the user. */
  forget() {
    this.id = "";
    this.#credentials = null;
    sessionStorage.removeItem(KEPT);
  }

  /** Continue the session with the id that another tab has received. */
  goOnAs(id) {
    this.#become({ ...this.#told(), id });
  }

  /**
   * Open another session after this one has ended. Returns whether that succeeded; false if the
   * credentials are no longer valid. Throws the other errors of `send`. Concurrent calls share one
   * renewal.
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
      this.#credentials = null; // no longer valid: the user has to sign in
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

  /** Another tab's session, so that a second tab needs no login; null if there is none. */
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
      if (over === this.id) this.#leave("You signed out in another tab.");
    } else if (!this.id) {
      this.#asked?.({ id, client, user });
    } else if (client !== this.client || user !== this.user) {
      this.#leave("You signed in with another session in another tab.");
    } else {
      this.goOnAs(id);
    }
  }

  #leave(why) {
    this.forget();
    this.onOver(why);
  }
}
