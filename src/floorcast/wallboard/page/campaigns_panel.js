/** Today's campaigns, with their progress and their records by time zone. */

import { shows } from "./address.js";
import { count, percent, plural } from "./figures.js";
import { Panel } from "./panel.js";
import { figure, mark, Rows, write } from "./table.js";

export class CampaignsPanel {
  #panel = new Panel("campaigns");
  #rows = new Rows(this.#panel.section.querySelector("tbody"), "campaign-row");
  #stats = [];
  #names = new Map();

  constructor() {
    /** @type {import("./address.js").View} */
    this.view = null;
  }

  /** Show a response of campaign/stats. */
  show({ stats }, token) {
    this.#stats = stats;
    this.#panel.known(token);
    this.draw();
  }

  /** Store the names and call centers of services. */
  name(services) {
    this.#names = services;
  }

  /** Show why there are no campaigns. */
  explain(why) {
    this.#stats = [];
    this.#panel.explain(why);
  }

  /** Draw the campaigns of the view. */
  draw() {
    if (this.#panel.isExplained) return;
    const center = (id) => this.#names.get(Number(id))?.callCenterId;
    const shown = this.#stats.filter((one) =>
      shows(this.view, one.serviceId, center(one.serviceId)),
    );
    this.#rows.show(
      shown,
      (one) => `${one.campaignId} ${one.serviceId}`,
      (row, one) => this.#fill(row, one),
    );
    this.#panel.note(plural(shown.length, "campaign"));
    this.#panel.shown(shown.length ? "" : "No campaign has been active today.");
  }

  #fill(row, campaign) {
    const [name, done, zones] = row.children;
    const [progress, text, counts] = done.children;
    const { campaignId: id, loaded, remaining, completed, serviceId } = campaign;
    const share = loaded && remaining !== undefined ? (loaded - remaining) / loaded : null;
    const service = this.#names.get(Number(serviceId))?.serviceName ?? `service ${serviceId}`;
    write(name.firstElementChild, campaign.name ?? `Campaign ${id}`);
    write(name.lastElementChild, serviceId === null ? "" : service);
    name.title = `Campaign ${id}`;
    mark(row.dataset, "id", String(id));
    progress.hidden = share === null;
    if (share !== null) progress.style.setProperty("--share", share);
    figure(text, share === null ? "" : `${percent(share * 100)} `, remaining ?? "");
    write(counts, words(completed, loaded));
    write(zones, breakdown(campaign.timezoneBreakdown));
  }
}

function words(completed, loaded) {
  if (loaded === undefined) return "loading";
  return `${completed === undefined ? "–" : count(completed)} of ${count(loaded)}`;
}

function breakdown(timezones) {
  const some = timezones.filter((zone) => zone.count).sort((one, other) => other.count - one.count);
  return some.map((zone) => `${zone.timezone}\u00a0${count(zone.count)}`).join("\u00a0· ") || "–";
}
