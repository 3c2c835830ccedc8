/** A chart of the last half hour. */

import * as clock from "./clock.js";
import { minuteOfDay } from "./figures.js";
import { SPAN } from "./history.js";
import { Panel } from "./panel.js";
import uPlot from "./uplot/uPlot.esm.js";

const TICK = 600; // seconds between two ticks of the time axis
const LOW = 7; // lines of text; the ticks of a lower chart would overlap
const CORNER = 120; // seconds at the start of the axis where a tick would overlap the other axis

/** A drawing on a canvas, with a text alternative for screen readers. */
export class Chart {
  #panel;
  #plot;
  #paths;
  #onDraw;
  #uplot = null;
  #size = 0; // font size, px
  #data = [[], []];

  /**
   * @param {string} id the panel's id
   * @param {uPlot.Series.PathBuilder} paths draws values as a line or as bars
   * @param {?(chart: uPlot) => void} onDraw writes the values onto the chart, instead of an axis
   */
  constructor(id, paths, onDraw = null) {
    this.#panel = new Panel(id);
    this.#plot = this.#panel.section.querySelector(".plot");
    this.#paths = paths;
    this.#onDraw = onDraw;
    new ResizeObserver(() => this.#resize()).observe(this.#plot);
  }

  /** Draw times (seconds) and values as of `token`. */
  draw(data, token) {
    this.#panel.known(token);
    this.#panel.shown();
    this.#data = data;
    if (this.#uplot) this.#uplot.setData(data);
    else this.renew();
  }

  /** Set the note beside the title. */
  note(text) {
    this.#panel.note(text);
  }

  /** Set the text alternative. */
  describe(text) {
    if (this.#plot.ariaLabel !== text) this.#plot.ariaLabel = text;
  }

  /** Show why there is no chart. */
  explain(why) {
    this.#panel.explain(why);
    this.#discard();
  }

  /** Draw again with the page's current colors and sizes. */
  renew() {
    this.#discard();
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (!width || !height) return;
    const look = lookOf(this.#plot);
    this.#size = look.size;
    this.#uplot = new uPlot(
      options({ width, height }, look, this.#paths, this.#onDraw),
      this.#data,
      this.#plot,
    );
  }

  #discard() {
    this.#uplot?.destroy();
    this.#uplot = null;
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    const hasGrown = parseFloat(getComputedStyle(this.#plot).fontSize) !== this.#size;
    if (!this.#uplot || hasGrown) this.renew();
    else if (width && height) this.#uplot.setSize({ width, height });
  }
}

/** A canvas does not resolve custom properties, so read the colors from computed styles. */
export function lookOf(plot) {
  const style = getComputedStyle(plot);
  const size = parseFloat(style.fontSize);
  return {
    text: style.color,
    grid: style.borderTopColor,
    line: style.outlineColor,
    fill: style.textDecorationColor,
    font: `${size}px ${style.fontFamily}`,
    size,
    thin: Math.max(1, size / 14), // lines scale with the font, because a wall is read from a distance
  };
}

function options(size, look, paths, onDraw) {
  const axis = { stroke: look.text, font: look.font, ticks: { show: false } };
  return {
    ...size,
    cursor: { show: false },
    legend: { show: false },
    padding: [look.size * 0.9, look.size * 1.6, 0, onDraw ? look.size * 1.6 : 0],
    scales: {
      x: { time: true, range: () => [clock.now() / 1000 - SPAN, clock.now() / 1000] },
      y: { range: (_, __, most) => [0, onDraw ? Math.max(4, (most ?? 0) * 1.2) : topOf(most ?? 0)] },
    },
    axes: [
      {
        ...axis,
        size: look.size * 2,
        grid: { show: false },
        splits: marks,
        values: (_, all) => all.map((at) => minuteOfDay(at * 1000)),
      },
      {
        ...axis,
        show: !onDraw,
        size: look.size * 3,
        grid: { stroke: look.grid, width: look.thin },
        splits: ({ height }, _, from, to) => ticksOf(from, to, height / look.size),
      },
    ],
    series: [{}, { stroke: look.line, fill: look.fill, width: 2 * look.thin, paths, points: { show: false } }],
    hooks: { draw: onDraw ? [onDraw] : [] },
  };
}

/** The top tick of an axis: a round, even number at or above the highest value. */
export function topOf(most) {
  const least = Math.max(4, most);
  const unit = 10 ** Math.floor(Math.log10(least));
  return unit * [1, 2, 4, 6, 8, 10].find((steps) => steps * unit >= least);
}

/** The ticks of the value axis of a chart that is `lines` of text high. */
export function ticksOf(from, to, lines) {
  return lines < LOW ? [from, to] : [from, (from + to) / 2, to];
}

function marks(_, __, from, to) {
  const first = Math.ceil((from + CORNER) / TICK) * TICK;
  return Array.from(
    { length: Math.floor((to - first) / TICK) + 1 },
    (_unused, index) => first + index * TICK,
  );
}
