/** How likely a failure still was from each moment of its run on, as a page; and what happened where that changed. */

import {
  areApart,
  bounds,
  type Futures,
  type Moment,
  noReturn,
  rate,
  steepest,
} from "../src/futures/futures.ts";
import { NEMESIS } from "../src/history/op.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { type Chart, chartLook, drawn, type Spec } from "./charts.ts";
import { htmlDocument } from "./document.ts";
import { Html, html, shown } from "./html.ts";
import { styleSheet } from "./style.ts";

/** Something that happened in a run. */
export interface Happening {
  /** Seconds since the start. */
  readonly at: number;
  readonly who: string;
  readonly what: string;
}

/** Rows shown of a stretch: its last, which are nearest to what they led to. */
const MOST_HAPPENINGS = 60;

export async function renderFutures(futures: Futures, run: FinishedRun, repeat: string): Promise<string> {
  const { failure, moments } = futures;
  const [svg = ""] = await drawn([chart(futures)]);
  const { from, to } = rise(moments);
  const happenings = happened(run, from.at, to.at);
  const body = html`
<header class="invalid">
<h1>When was it lost?</h1>
<p>${tellRise(futures)}</p>
<p class="muted">The failure: ${failure.anomaly} (${failure.checker}), proved at ${time(futures.proved)}. For each moment, all chance was drawn anew from there on, ${Math.max(...moments.map((moment) => moment.futures))} times at most. The run: <code>${repeat}</code></p>
</header>
<section>
<h2>Likelihood</h2>
<p class="muted">The share of futures that fail in the same way; the band holds it in 95 of 100 such measurements (Wilson).</p>
<div class="scroll">${new Html(svg)}</div>
</section>
<section>
<h2>What happened from ${time(from.at)} to ${time(to.at)}</h2>
${happenings.length > MOST_HAPPENINGS ? html`<p class="muted">The last ${MOST_HAPPENINGS} of ${happenings.length}.</p>` : undefined}
<div class="scroll"><table>
<thead><tr><th class="num">Time</th><th>Who</th><th>What</th></tr></thead>
<tbody>
${happenings.slice(-MOST_HAPPENINGS).map(
  ({ at, who, what }) => html`<tr><td class="num">${time(at)}</td><td>${who}</td><td>${what}</td></tr>
`,
)}
</tbody></table></div>
</section>
<section>
<h2>Moments</h2>
<div class="scroll"><table>
<thead><tr><th class="num">From</th><th class="num">Futures</th><th class="num">Failed</th><th class="num">Likelihood</th></tr></thead>
<tbody>
${moments.map(
  (moment) =>
    html`<tr><td class="num">${time(moment.at)}</td><td class="num">${moment.futures}</td><td class="num">${moment.failed}</td><td class="num">${percent(rate(moment))} <span class="muted">[${bounds(moment).map(percent).join("..")}]</span></td></tr>
`,
)}
</tbody></table></div>
</section>`;
  return htmlDocument({ title: "When was it lost?", style: styleSheet([]), body });
}

/** The two neighbouring moments between which the likelihood rises most. */
export function rise(moments: readonly Moment[]): { readonly from: Moment; readonly to: Moment } {
  const at = steepest(moments);
  return { from: moments[at - 1] as Moment, to: moments[at] as Moment };
}

/** In a sentence or two: whether a moment decided, which, and from when on it was lost. */
export function tellRise({ moments }: Futures): string {
  const { from, to } = rise(moments);
  const [first, last] = [moments[0], moments.at(-1)] as [Moment, Moment];
  const lost = noReturn(moments);
  if (!areApart(from, to))
    return lost === first
      ? `No moment stands out: ${percent(rate(first))} of the futures fail even if chance is drawn anew from the beginning.`
      : `No moment stands out: the likelihood goes from ${percent(rate(first))} to ${percent(rate(last))} bit by bit.`;
  const told = `The likelihood rises most between ${time(from.at)} and ${time(to.at)}: from ${percent(rate(from))} to ${percent(rate(to))}.`;
  if (lost === undefined)
    return `${told} There is no point of no return: even at the end, most futures go well.`;
  return lost === first ? told : `${told} From ${time(lost.at)} on, most futures fail.`;
}

/** What nodes, faults and clients did after `from` and until `to`, in seconds. */
export function happened({ history, trace }: FinishedRun, from: number, to: number): Happening[] {
  const within = ({ time }: { readonly time: number }) => time / 1e9 > from && time / 1e9 <= to;
  const inside = trace.filter(within).map(({ time, node, kind, detail }) => ({
    at: time / 1e9,
    who: node,
    what: `${kind} ${shown(detail)}`,
  }));
  const outside = history.events.filter(within).map(({ time, process, type, f, key, value }) => ({
    at: time / 1e9,
    who: process === NEMESIS ? "nemesis" : `process ${process}`,
    what: [type, f, key, value === null ? undefined : shown(value)]
      .filter((word) => word !== undefined)
      .join(" "),
  }));
  return [...inside, ...outside].sort((a, b) => a.at - b.at);
}

function chart({ moments, proved }: Futures): Chart {
  const values = moments.map((moment) => {
    const [low, high] = bounds(moment);
    return { second: moment.at, percent: 100 * rate(moment), low: 100 * low, high: 100 * high };
  });
  const x: Spec = {
    field: "second",
    type: "quantitative",
    scale: { domain: [0, Math.max(0.001, proved)], nice: false },
    title: "seconds",
  };
  const y = (field: string): Spec => ({
    field,
    type: "quantitative",
    scale: { domain: [0, 100] },
    title: "percent of futures that fail",
  });
  return {
    title: "Likelihood",
    caption: "",
    spec: {
      ...chartLook,
      height: 260,
      data: { values },
      layer: [
        {
          mark: { type: "area", color: "var(--fail)", opacity: 0.18 },
          encoding: { x, y: y("low"), y2: { field: "high" } },
        },
        {
          mark: {
            type: "line",
            color: "var(--fail)",
            strokeWidth: 2,
            point: { size: 24, color: "var(--fail)" },
          },
          encoding: { x, y: y("percent") },
        },
      ],
    },
  };
}

function time(seconds: number): string {
  return `${seconds.toFixed(3)} s`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}
