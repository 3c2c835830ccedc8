/** The dialog in which thresholds are set. */

import { MEASURES } from "./thresholds.js";

const dialog = document.getElementById("thresholds");
const rows = dialog.querySelector("tbody");

/** @param {import("./thresholds.js").Thresholds} thresholds */
export function bind(thresholds) {
  for (const [measure, { label, unit }] of Object.entries(MEASURES)) {
    rows.append(row(thresholds, measure, label, unit));
  }
  document.getElementById("show-thresholds").onclick = () => {
    fill(thresholds);
    dialog.showModal();
  };
  dialog.querySelector("[value=defaults]").onclick = () => {
    thresholds.reset();
    fill(thresholds);
  };
}

function row(thresholds, measure, label, unit) {
  const one = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = `${label}, ${unit}`;
  one.dataset.measure = measure;
  one.append(head, cell(`${label}, ${unit}: watch`), cell(`${label}, ${unit}: act`));
  one.oninput = () => {
    const inputs = [...one.querySelectorAll("input")];
    const act = inputs.at(-1);
    act.setCustomValidity("");
    const limits = inputs.map((input) => input.valueAsNumber);
    const areNumbers = inputs.every((input) => input.checkValidity());
    const isRefused = areNumbers && !thresholds.set(measure, limits);
    const way = MEASURES[measure].label.endsWith("below") ? "above" : "below";
    if (isRefused) act.setCustomValidity(`“Act” must not be ${way} “watch”.`);
    act.ariaInvalid = String(isRefused);
    say(isRefused ? `${label}: “act” must not be ${way} “watch”. Not saved.` : "");
  };
  return one;
}

function say(words) {
  document.getElementById("thresholds-failure").textContent = words;
}

function cell(label) {
  const one = document.createElement("td");
  const input = document.createElement("input");
  Object.assign(input, { type: "number", min: 0, step: "any", required: true, ariaLabel: label });
  one.append(input);
  return one;
}

function fill(thresholds) {
  for (const one of rows.children) {
    const limits = thresholds.of(one.dataset.measure);
    one.querySelectorAll("input").forEach((input, index) => {
      input.value = limits[index];
      input.setCustomValidity("");
      input.ariaInvalid = null;
    });
  }
  say("");
}
