/**
 * The session of this page: signing in, renewing, signing out.
 *
 * The session's id lives as long as the tab. The password and the API token are kept in memory
 * alone, to sign in again when the session has ended; a page that was loaded anew asks for them.
 */

import { Refusal, send } from "./requests.js";

const KEPT = "floorcast.session";
const NO_TOKEN_HAS = /[^\x20-\x7e]/g; // nor can a header: fetch would fail as if the server were away
const LAST = "floorcast.last-sign-in"; // client and user, to be offered again

export class Session {
  #id = "";
  #credentials = null;
  #renewal = null;
  // The cookie is the browser's, the id the tab's: when another tab signs in as somebody else,
  // the streams of this one would show that one's floor.
  #tabs = new BroadcastChannel("floorcast.sign-in");

  /** @param {() => void} onTaken another tab has signed in with another session */
  constructor(onTaken) {
    this.client = "";
    this.#tabs.onmessage = ({ data }) => {
      if (this.#id && data !== this.#id) {
        this.forget();
        onTaken();
      }
    };
  }

  /** Go on with the tab's session; whether it has one. */
  restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    if (kept) [this.#id, this.client] = [kept.id, kept.client];
    return Boolean(kept);
  }

  /** Who signed in last in this browser: `{clientName, userName}`. */
  static last() {
    return JSON.parse(localStorage.getItem(LAST) ?? "{}");
  }

  /** Sign in; throws what `send` throws. */
  async signIn({ clientName, userName, password, apiToken }) {
    const { body } = await send("POST", "/session/login?cookie=true", {
      headers: { "LV-Access": apiToken.replace(NO_TOKEN_HAS, "?") },
      body: { clientName, userName, password },
    });
    this.#id = body.sessionId;
    this.client = clientName;
    this.#credentials = { clientName, userName, password, apiToken };
    sessionStorage.setItem(KEPT, JSON.stringify({ id: this.#id, client: clientName }));
    localStorage.setItem(LAST, JSON.stringify({ clientName, userName }));
    this.#tabs.postMessage(this.#id);
  }

  /** End the session; who cannot be told has forgotten it in two hours. */
  async signOut() {
    const id = this.#id;
    this.forget();
    await send("DELETE", `/session/logout/${id}`).catch(() => {});
  }

  /** Forget who this is. */
  forget() {
    this.#id = "";
    this.#credentials = null;
    sessionStorage.removeItem(KEPT);
  }

  /** Ask a method of the API; an expired session is renewed once. Throws what `send` throws. */
  async ask(path, body = {}) {
    const id = this.#id;
    try {
      return await this.#post(path, body);
    } catch (error) {
      if (!(error instanceof Refusal && error.isOfSession && this.#credentials)) throw error;
      if (id === this.#id) await this.#renew();
      return await this.#post(path, body);
    }
  }

  #post(path, body) {
    return send("POST", path, { headers: { "LV-Session": this.#id }, body });
  }

  /** Many requests find the session expired at once: they share one renewal. */
  #renew() {
    this.#renewal ??= this.signIn(this.#credentials).finally(() => {
      this.#renewal = null;
    });
    return this.#renewal;
  }
}
