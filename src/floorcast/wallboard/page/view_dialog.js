/** The dialog for the services to show: chosen by call center and service, kept in the address. */

import * as address from "./address.js";
import { named } from "./figures.js";
import { write } from "./table.js";

export class ViewDialog {
  #dialog = document.getElementById("view");
  #button = document.getElementById("show-view");
  #title = document.getElementById("board-view");
  #lists = { callCenters: "#view-call-centers", services: "#view-services" };
  #known = { callCenters: new Map(), services: new Map() };

  constructor() {
    this.#button.onclick = () => {
      this.#fill();
      this.#dialog.showModal();
    };
    this.#dialog.querySelector("[value=all]").onclick = () => {
      address.change({ services: new Set(), callCenters: new Set() });
      this.#fill();
    };
  }

  /** Show the current choice. `services` has all services. */
  show(view, services) {
    for (const one of services) {
      this.#known.services.set(one.serviceId, one.serviceName);
      if (one.callCenterId) this.#known.callCenters.set(one.callCenterId, one.callCenterName);
    }
    const names = ["callCenters", "services"].flatMap((member) =>
      [...view[member]].map((id) => this.#known[member].get(id) ?? id),
    );
    write(this.#title, names.length ? `· ${named(names, 3)}` : "");
    write(this.#button, names.length ? `View: ${named(names, 1)}` : "View: all");
    this.#button.ariaPressed = String(names.length > 0);
  }

  #fill() {
    const view = address.view();
    let isEmpty = true;
    for (const [member, selector] of Object.entries(this.#lists)) {
      const list = this.#dialog.querySelector(selector);
      const ids = new Set([...this.#known[member].keys(), ...view[member]]);
      const name = (id) => this.#known[member].get(id) ?? id;
      const sorted = [...ids].sort((one, other) => name(one).localeCompare(name(other)));
      const boxes = sorted.map((id) => this.#box(member, id, name(id), view[member].has(id)));
      list.replaceChildren(...boxes);
      list.closest("fieldset").hidden = !boxes.length;
      isEmpty &&= !boxes.length;
    }
    this.#dialog.querySelector(".explanation").hidden = !isEmpty;
  }

  #box(member, id, name, isChosen) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    const text = document.createElement("span");
    Object.assign(box, { type: "checkbox", value: id, checked: isChosen });
    box.onchange = () => {
      const chosen = new Set(address.view()[member]);
      if (box.checked) chosen.add(id);
      else chosen.delete(id);
      address.change({ [member]: chosen });
    };
    text.dir = "auto";
    text.textContent = name;
    label.append(box, text);
    return label;
  }
}
