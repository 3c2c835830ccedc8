/** The campaigns of today: how far each is, and where its records are. */

import { count, percent, plural } from "./figures.js";
import { Panel } from "./panel.js";
import { figure, mark, Rows, write } from "./table.js";

export class CampaignsPanel {
  #panel = new Panel("campaigns");
  #rows = new Rows(this.#panel.section.querySelector("tbody"), "campaign-row");

  /** @param {(id: number) => string} serviceName */
  constructor(serviceName) {
    this.serviceName = serviceName;
  }

  /** Show an answer of campaign/stats. */
  show({ stats }, token) {
    this.#rows.show(
      stats,
      (one) => `${one.campaignId} ${one.serviceId}`,
      (row, one) => this.#fill(row, one),
    );
    this.#panel.note(plural(stats.length, "campaign"));
    this.#panel.shown(token, stats.length ? "" : "No campaign has been at work today.");
  }

  /** Say why there are none. */
  explain(why) {
    this.#panel.explain(why);
  }

  #fill(row, campaign) {
    const [name, done, zones] = row.children;
    const [progress, text, counts] = done.children;
    const { loaded, remaining, completed } = campaign;
    const share = loaded && remaining !== undefined ? (loaded - remaining) / loaded : null;
    const service = campaign.serviceId === null ? "" : this.serviceName(campaign.serviceId);
    write(name.firstElementChild, `${campaign.campaignId} `);
    write(name.lastElementChild, service);
    mark(row.dataset, "id", String(campaign.campaignId));
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
  return some.map((zone) => `${zone.timezone}\u00a0${count(zone.count)}`).join(" · ") || "–";
}
