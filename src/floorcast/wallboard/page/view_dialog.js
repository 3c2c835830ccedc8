/** The dialog that selects services or call centers to show. The selection is in the address. */

import * as address from "./address.js";
import { named } from "./figures.js";
import { write } from "./table.js";

const byName = new Intl.Collator("en", { numeric: true }).compare;
const FEW = 12; // the most boxes for which no search is needed

export class ViewDialog {
  #dialog = document.getElementById("view");
  #button = document.getElementById("show-view");
  #title = document.getElementById("board-view");
  #search = this.#dialog.querySelector("[type=search]");
  #found = this.#dialog.querySelector(".nothing");
  #lists = { callCenters: "#view-call-centers", services: "#view-services" };
  #known = { callCenters: new Map(), services: new Map() };

  constructor() {
    this.#button.onclick = () => {
      this.#search.value = "";
      this.#fill();
      this.#dialog.showModal();
    };
    this.#dialog.querySelector("[value=all]").onclick = () => {
      address.change({ services: new Set(), callCenters: new Set() });
      this.#fill();
    };
    this.#search.oninput = () => this.#find();
    this.#search.onkeydown = (event) => this.#go(event);
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
    for (const [member, selector] of Object.entries(this.#lists)) {
      const ids = new Set([...this.#known[member].keys(), ...view[member]]);
      const name = (id) => this.#known[member].get(id) ?? id;
      const sorted = [...ids].sort((one, other) => byName(name(one), name(other)));
      const boxes = sorted.map((id) => this.#box(member, id, name(id), view[member].has(id)));
      this.#dialog.querySelector(selector).replaceChildren(...boxes);
    }
    const count = this.#boxes().length;
    this.#dialog.querySelector(".explanation").hidden = count > 0;
    this.#search.parentElement.hidden = count <= FEW;
    this.#find();
  }

  /** Show only the boxes whose names contain the text of the search. */
  #find() {
    const text = this.#search.value.trim().toLowerCase();
    const boxes = this.#boxes();
    for (const box of boxes) box.hidden = !box.textContent.toLowerCase().includes(text);
    for (const selector of Object.values(this.#lists)) {
      const list = this.#dialog.querySelector(selector);
      list.closest("fieldset").hidden = !list.querySelector("label:not([hidden])");
    }
    const found = boxes.filter((box) => !box.hidden).length;
    const what = found ? `${found} of ${boxes.length}` : `Nothing matches “${this.#search.value.trim()}”.`;
    write(this.#found, text ? what : "");
  }

  /** Enter and the down key lead to the first box that is found. Enter does not close the dialog. */
  #go(event) {
    if (event.key !== "Enter" && event.key !== "ArrowDown") return;
    event.preventDefault();
    this.#boxes().find((box) => !box.hidden)?.firstElementChild.focus();
  }

  #boxes() {
    return [...this.#dialog.querySelectorAll(".boxes label")];
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
