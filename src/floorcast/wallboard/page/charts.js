/** The two charts: the calls in queue, and the live connects. */

import { Chart, lookOf } from "./chart.js";
import * as clock from "./clock.js";
import { count, minuteOfDay } from "./figures.js";
import { timeOf } from "./tokens.js";
import uPlot from "./uplot/uPlot.esm.js";

const INTERVAL = 300; // seconds of one bar of the live connects

/** The calls in queue: a line. */
export class QueueChart extends Chart {
  constructor() {
    super("queue-chart", uPlot.paths.stepped({ align: 1 }));
  }

  /** Draw the history up to the position of `token`. */
  show(history, token) {
    const [times, calls] = history.columns((token ? timeOf(token) : clock.now()) / 1000);
    if (!times.length) return;
    const [now, most] = [history.waiting, Math.max(0, ...calls)];
    const since = `since ${minuteOfDay(times[0] * 1000)}`;
    this.draw([times, calls], token);
    this.note(`${count(now)} now, peak ${count(most)}`);
    this.describe(`Calls in queue ${since}: ${now} now, peak ${most}`);
  }
}

/** The live connects per five minutes, as bars. */
export class ConnectsChart extends Chart {
  constructor() {
    super("connects-chart", uPlot.paths.bars({ size: [0.72, 80] }), drawNumbers);
  }

  /** Show a response of service/liveConnects. */
  show({ liveConnects }, token) {
    const ends = liveConnects.map((one) => Number(one.timeStamp) / 1000);
    const totals = liveConnects.map((one) => Number(one.total));
    const all = totals.reduce((sum, one) => sum + one, 0);
    this.draw([ends.map((end) => end - INTERVAL / 2), totals], token);
    this.note(`${count(all)} in 30 min`);
    const told = ends.map((end, index) => `${minuteOfDay(end * 1000)} ${totals[index]}`);
    this.describe(`Live connects in each five-minute interval, by end time: ${told.join(", ")}`);
  }
}

/** The number above each bar. */
function drawNumbers(chart) {
  const { ctx, data } = chart;
  const [times, totals] = data;
  const look = lookOf(chart.root.parentElement);
  ctx.save();
  ctx.font = look.font.replace(/^[\d.]+/, (size) => size * devicePixelRatio);
  ctx.fillStyle = look.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "alphabetic";
  times.forEach((at, index) => {
    const y = chart.valToPos(totals[index], "y", true) - look.size * 0.4 * devicePixelRatio;
    ctx.fillText(count(totals[index]), chart.valToPos(at, "x", true), y);
  });
  ctx.restore();
}
