/** The two charts of the last half hour. */

import * as clock from "./clock.js";
import { count, minuteOfDay } from "./figures.js";
import { SPAN } from "./history.js";
import { Panel } from "./panel.js";
import { timeOf } from "./tokens.js";
import uPlot from "./uplot/uPlot.esm.js";

const INTERVAL = 300; // seconds of one bar of the live connects
const TICK = 600; // seconds between two marks of the time axis

/** The calls in queue: a line. */
export class QueueChart {
  #chart = new Chart("queue-chart", uPlot.paths.stepped({ align: 1 }));

  /** Draw the history, as seen until the place of `token`. */
  show(history, token) {
    const [times, calls] = history.columns(timeOf(token) / 1000);
    const most = Math.max(0, ...calls);
    this.#chart.show([times, calls], token);
    const since = `since ${minuteOfDay(times[0] * 1000)}`; // when this page began to look
    this.#chart.note(`${count(history.waiting)} now, most ${count(most)} ${since}`);
    this.#chart.describe(
      `Calls in queue over the last 30 minutes, seen ${since}: ${history.waiting} now, ${most} at most`,
    );
  }

  explain(why) {
    this.#chart.explain(why);
  }

  /** Draw anew, in the colours and sizes of the page as they are now. */
  renew() {
    this.#chart.renew();
  }
}

/** The live connects, five minutes by five: bars. */
export class ConnectsChart {
  #chart = new Chart("connects-chart", uPlot.paths.bars({ size: [0.72, 80] }), drawNumbers);

  /** Show an answer of service/liveConnects. */
  show({ liveConnects }, token) {
    const ends = liveConnects.map((one) => Number(one.timeStamp) / 1000);
    const totals = liveConnects.map((one) => Number(one.total));
    const all = totals.reduce((sum, one) => sum + one, 0);
    this.#chart.show([ends.map((end) => end - INTERVAL / 2), totals], token);
    this.#chart.note(`${count(all)} in 30 min`);
    const told = ends.map((end, index) => `${minuteOfDay(end * 1000)} ${totals[index]}`).join(", ");
    this.#chart.describe(`Live connects by five minutes, each by its end: ${told}`);
  }

  explain(why) {
    this.#chart.explain(why);
  }

  /** Draw anew, in the colours and sizes of the page as they are now. */
  renew() {
    this.#chart.renew();
  }
}

class Chart {
  #panel;
  #plot;
  #paths;
  #onDraw;
  #uplot = null;
  #data = [[], []];

  constructor(id, paths, onDraw = () => {}) {
    this.#panel = new Panel(id);
    this.#plot = this.#panel.section.querySelector(".plot");
    this.#paths = paths;
    this.#onDraw = onDraw;
    new ResizeObserver(() => this.#resize()).observe(this.#plot);
  }

  show(data, token) {
    this.#panel.shown(token);
    this.#data = data;
    if (this.#uplot) this.#uplot.setData(data);
    else this.renew();
  }

  note(text) {
    this.#panel.note(text);
  }

  describe(text) {
    if (this.#plot.ariaLabel !== text) this.#plot.ariaLabel = text;
  }

  explain(why) {
    this.#panel.explain(why);
    this.#discard();
  }

  #discard() {
    this.#uplot?.destroy();
    this.#uplot = null;
  }

  renew() {
    this.#discard();
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (!width || !height) return;
    const look = lookOf(this.#plot);
    this.#uplot = new uPlot(
      options({ width, height }, look, this.#paths, this.#onDraw),
      this.#data,
      this.#plot,
    );
  }

  #resize() {
    const { clientWidth: width, clientHeight: height } = this.#plot;
    if (!this.#uplot) this.renew();
    else if (width && height) this.#uplot.setSize({ width, height });
  }
}

/** Canvas knows no custom properties: the colours are read where CSS has resolved them. */
function lookOf(plot) {
  const style = getComputedStyle(plot);
  const size = parseFloat(style.fontSize);
  return {
    text: style.color,
    grid: style.borderTopColor,
    line: style.outlineColor,
    fill: style.textDecorationColor,
    font: `${size}px ${style.fontFamily}`,
    size,
  };
}

function options(size, look, paths, onDraw) {
  const axis = { stroke: look.text, font: look.font, ticks: { show: false } };
  return {
    ...size,
    cursor: { show: false },
    legend: { show: false },
    padding: [look.size * 0.9, look.size, 0, 0],
    scales: {
      x: { time: true, range: () => [clock.now() / 1000 - SPAN, clock.now() / 1000] },
      y: { range: (_, __, most) => [0, Math.max(4, (most ?? 0) * 1.2)] },
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
        size: look.size * 3,
        space: look.size * 2.6,
        grid: { stroke: look.grid, width: 1 },
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
      },
    ],
    series: [{}, { stroke: look.line, fill: look.fill, width: 2, paths, points: { show: false } }],
    hooks: { draw: [onDraw] },
  };
}

function marks(_, __, from, to) {
  const first = Math.ceil(from / TICK) * TICK;
  return Array.from(
    { length: Math.floor((to - first) / TICK) + 1 },
    (_unused, index) => first + index * TICK,
  );
}

/** The number above each bar. */
function drawNumbers(chart) {
  const {
    ctx,
    data: [times, totals],
  } = chart;
  const look = lookOf(chart.root.parentElement);
  ctx.save();
  ctx.font = look.font.replace(/^[\d.]+/, (size) => size * devicePixelRatio);
  ctx.fillStyle = look.text;
  ctx.textAlign = "center";
  times.forEach((at, index) => {
    const y = chart.valToPos(totals[index], "y", true) - look.size * 0.4 * devicePixelRatio;
    ctx.fillText(count(totals[index]), chart.valToPos(at, "x", true), y);
  });
  ctx.restore();
}
