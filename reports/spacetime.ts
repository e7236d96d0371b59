/**
 * Space-time diagrams (Lamport, 1978): nodes as lines, messages as arrows from where and when they were sent to where
 * and when they arrived, at the few moments of a run that matter.
 */
import type { Nanos, NodeId } from "../src/history/op.ts";
import type { MessageRecord } from "../src/result.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { type Html, html, shortened, shown } from "./html.ts";
import { doubleReigns } from "./leadership.ts";
import type { Scene, Story } from "./story.ts";
import { at, counted, lasting } from "./wording.ts";

/** A moment worth a picture. */
export interface Moment {
  readonly title: string;
  readonly time: Nanos;
}

const MOST_MOMENTS = 4;
const MOST_MESSAGES = 400;
/** Lengths of a window, the first that holds few enough messages is taken. */
const LENGTHS: readonly Nanos[] = [1e9, 500e6, 250e6, 100e6, 50e6, 20e6, 10e6, 5e6, 2e6, 1e6];
const CLIENTS = "clients";

/** The moments of the violation, or the first change of leaders in a run without one; apart from each other. */
export function moments(run: FinishedRun, scene: Scene, story: Story | undefined): Moment[] {
  const wanted: Moment[] = [];
  if (story === undefined) {
    const load = run.result?.phases.load ?? 0;
    const change = scene.reigns.find((reign) => reign.from > load) ?? scene.reigns[0];
    if (change !== undefined)
      wanted.push({ title: `${change.node} becomes leader of term ${change.term}`, time: change.from });
  } else {
    const { witness } = story;
    const last = witness.at(-1);
    const first = witness[0];
    if (last === undefined) wanted.push({ title: "The violation", time: story.from });
    else
      wanted.push({ title: `The last proof: ${last.f} of process ${last.process}`, time: last.invokeTime });
    if (first !== undefined && first !== last)
      wanted.push({
        title: `The first proof: ${first.f} of process ${first.process}`,
        time: first.invokeTime,
      });
    const rival = doubleReigns(scene.reigns).find(
      (pair) => pair.from <= story.until && pair.until >= story.from - 5e9,
    );
    if (rival !== undefined)
      wanted.push({ title: `${rival.newer.node} leads too, in term ${rival.newer.term}`, time: rival.from });
    const inside = run.result?.verdicts.find(({ checker }) => checker === "raft-invariants")?.evidence;
    if (inside !== null && typeof inside === "object" && "time" in inside && typeof inside.time === "number")
      wanted.push({ title: "The first rule of raft breaks", time: inside.time });
  }
  const apart: Moment[] = [];
  for (const moment of wanted) {
    if (apart.length < MOST_MOMENTS && apart.every(({ time }) => Math.abs(time - moment.time) > 20e6))
      apart.push(moment);
  }
  return apart;
}

/** What a diagram shows. */
export interface Frame {
  readonly from: Nanos;
  readonly until: Nanos;
  readonly messages: readonly MessageRecord[];
  /** Messages in the window that are not drawn: heartbeats and their answers. */
  readonly left: number;
}

/** Heartbeats, empty appends and plain acknowledgements: most of the traffic, and the least telling. */
const QUIET = /^(?:heartbeat|alive|append nothing|has \d|refuses)/;

/** As long a window around `time` as holds no more messages than a picture bears. */
export function frameAround(messages: readonly MessageRecord[], time: Nanos): Frame {
  let frame: Frame | undefined;
  for (const length of LENGTHS) {
    const from = Math.max(0, time - Math.round(length * 0.4));
    const until = from + length;
    const within = messages.filter(
      ({ sent, arrived }) =>
        (sent >= from && sent <= until) || (arrived !== null && arrived >= from && arrived <= until),
    );
    const telling = within.filter(({ what }) => !QUIET.test(what));
    const chosen = [telling];
    let count = telling.length;
    for (const lost of [true, false]) {
      const quiet = within.filter(({ what, arrived }) => QUIET.test(what) && (arrived === null) === lost);
      if (count + quiet.length > MOST_MESSAGES) continue;
      chosen.push(quiet);
      count += quiet.length;
    }
    frame = { from, until, messages: chosen.flat(), left: within.length - count };
    if (count <= MOST_MESSAGES) return frame;
  }
  const { from, until, messages: all, left } = frame as Frame;
  return { from, until, messages: all.slice(0, MOST_MESSAGES), left: left + all.length - MOST_MESSAGES };
}

const WIDTH = 1_800;
const MARGIN = 64;
const LANE = 62;
const TOP = 46;

export function spacetimeSection(
  run: FinishedRun,
  scene: Scene,
  story: Story | undefined,
  colourOf: (fault: string) => string,
): Html | undefined {
  if (run.messages.length === 0) return undefined;
  const first = run.messages.reduce((time, { sent }) => Math.min(time, sent), Number.POSITIVE_INFINITY);
  const shownMoments = moments(run, scene, story).filter(({ time }) => time >= first);
  if (shownMoments.length === 0) return undefined;
  const frames = shownMoments.map((moment) => frameAround(run.messages, moment.time));
  return html`<section id="messages"><h2>Messages</h2>
<p class="muted">Time runs from left to right; each arrow is a message, from the node that sent it to the node that got it, and says what it is when pointed at. What never arrived ends in a cross.</p>
<p class="legend"><span class="key vote">election</span><span class="key append">replication</span><span class="key client">clients</span><span class="key other">other</span><span class="key lost">lost</span><span>○ held back: its other end is outside this picture</span></p>
<div class="tabs" role="tablist" aria-label="Moments">${shownMoments.map((moment, i) => html`<button type="button" role="tab" id="moment-tab${i}" aria-controls="moment${i}" aria-selected="${i === 0 ? "true" : "false"}" data-panel="moment${i}">${moment.title}</button>`)}</div>
${shownMoments.map((moment, i) => {
  const frame = frames[i] as Frame;
  return html`<div id="moment${i}" role="tabpanel" aria-labelledby="moment-tab${i}"${i === 0 ? undefined : html` hidden`}>
<p class="muted">${lasting(frame.until - frame.from)} around ${at(moment.time)}: ${counted(frame.messages.length, "message")}${frame.left > 0 ? `; ${frame.left} heartbeats and acknowledgements are not drawn` : ""}.</p>
<div class="diagram" tabindex="0" role="group" aria-label="Messages around ${at(moment.time)}">${diagram(run, scene, story, frame, moment, colourOf)}</div></div>`;
})}
</section>`;
}

function diagram(
  run: FinishedRun,
  scene: Scene,
  story: Story | undefined,
  frame: Frame,
  moment: Moment,
  colourOf: (fault: string) => string,
): Html {
  const lanes: readonly NodeId[] = [CLIENTS, ...scene.nodes];
  const height = TOP + LANE * lanes.length;
  const x = (time: Nanos): number =>
    round(
      MARGIN +
        ((Math.max(frame.from, Math.min(frame.until, time)) - frame.from) / (frame.until - frame.from)) *
          (WIDTH - MARGIN - 8),
    );
  const y = (node: NodeId): number => TOP + LANE * (lanes.indexOf(node) + 0.5);
  const within = (from: Nanos, until: Nanos): boolean => from < frame.until && until > frame.from;

  const spans = scene.spans.filter((span) => span.refused === undefined && within(span.from, span.until));
  const bands = spans.map(
    (span, i) =>
      html`<g class="band"><title>${span.fault}, ${at(span.from)} to ${at(span.until)}</title><rect x="${x(span.from)}" y="${TOP - 12}" width="${round(Math.max(1.5, x(span.until) - x(span.from)))}" height="${height - TOP + 12}" style="fill:${colourOf(span.fault)}"/><text x="${x(span.from) + 3}" y="${TOP - 2 + i * 12}">${span.fault}</text></g>`,
  );
  const lines = lanes.map(
    (node) =>
      html`<text class="name" x="${MARGIN - 8}" y="${y(node) + 4}">${node}</text><path class="life" d="M${MARGIN} ${y(node)}H${WIDTH - 8}"/>`,
  );
  const down = spans.flatMap((span) =>
    ["kill", "stop", "power", "pause"].includes(span.fault)
      ? span.nodes
          .filter((node) => lanes.includes(node))
          .map(
            (node) =>
              html`<g><title>${node}: ${span.fault}, ${at(span.from)} to ${at(span.until)}</title><rect class="${span.fault === "pause" ? "frozen" : "dead"}" x="${x(span.from)}" y="${y(node) - 5}" width="${round(x(span.until) - x(span.from))}" height="10"/></g>`,
          )
      : [],
  );
  const led = scene.reigns
    .filter((reign) => within(reign.from, reign.until) && lanes.includes(reign.node))
    .map(
      (reign) =>
        html`<g><title>${reign.node} leads term ${reign.term}</title><path class="leads" d="M${x(reign.from)} ${y(reign.node)}H${x(reign.until)}"/><text class="term" x="${x(reign.from) + 4}" y="${y(reign.node) - 7}">leads term ${reign.term}</text></g>`,
    );
  const proofs = (story?.witness ?? [])
    .filter((op) => within(op.invokeTime, Math.min(op.completeTime, frame.until)))
    .slice(0, 40)
    .map(
      (op) =>
        html`<g class="proof"><title>process ${op.process} on ${op.node ?? "no node"}: ${op.f} ${shortened(op.key ?? "", 60)} ${op.input === null ? "" : shown(op.input, 80)} → ${op.type === "ok" ? shown(op.output, 120) : `${op.type} ${shortened(op.error, 120)}`}</title><rect x="${x(op.invokeTime)}" y="${y(CLIENTS) - 6}" width="${round(Math.max(4, x(Math.min(op.completeTime, frame.until)) - x(op.invokeTime)))}" height="12"/><text x="${x(op.invokeTime)}" y="${y(CLIENTS) - 10}">${op.f} ${shortened(op.key ?? "", 20)}</text></g>`,
    );
  const arrows = frame.messages
    .filter(({ from, to }) => lanes.includes(from) && lanes.includes(to))
    .map((message) => arrow(message, frame, x, y, run.plan.network.latencyMs * 1e6));
  const events = run.trace
    .filter(
      ({ time, node, kind }) =>
        time >= frame.from && time <= frame.until && lanes.includes(node) && kind in EVENTS,
    )
    .slice(0, 200)
    .map(
      ({ time, node, kind, detail }) =>
        html`<g class="event"><title>${at(time)} ${node}: ${kind}${detail.term === undefined ? "" : `, term ${String(detail.term)}`}</title><text x="${x(time)}" y="${y(node) + 5}">${EVENTS[kind]}</text></g>`,
    );
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Messages between nodes around ${at(moment.time)}">
${ticks(frame, x, height)}${bands}${lines}${down}${led}${arrows}${proofs}${events}
<path class="moment" d="M${x(moment.time)} ${TOP - 12}V${height}"/></svg>`;
}

/** Marks on the lines, by kind of event. */
const EVENTS: { readonly [kind: string]: string } = {
  "become-leader": "★",
  "become-candidate": "◆",
  "become-pre-candidate": "◇",
  "vote-granted": "✓",
  "quorum-lost": "▽",
  "log-truncated": "✂",
  "snapshot-restored": "▣",
  crash: "✖",
  exit: "✖",
};

function kindOf({ from, to, what }: MessageRecord): string {
  if (from === CLIENTS || to === CLIENTS) return "client";
  if (/^(?:vote|would|yes|no|timeout-now|transfer)\b/.test(what)) return "vote";
  return /^(?:append|has|refuses|snapshot|propose)\b/.test(what) ? "append" : "other";
}

/** A message arrives, is lost on the way, or was held back for so long that only one end of it is in the picture. */
function arrow(
  message: MessageRecord,
  frame: Frame,
  x: (time: Nanos) => number,
  y: (node: NodeId) => number,
  latency: Nanos,
): Html {
  const { from, to, what, sent, arrived } = message;
  const lost = arrived === null;
  const held = arrived !== null && arrived - sent > (frame.until - frame.from) / 20;
  const late = held && arrived > frame.until;
  const early = held && sent < frame.from;
  const startX = early ? x(arrived - 0.4 * latency) : x(sent);
  const startY = early ? y(from) + 0.6 * (y(to) - y(from)) : y(from);
  const [x1, y1] = [startX, round(startY)];
  const [fullX, fullY] = [x(lost || late ? sent + latency : arrived), y(to)];
  // Nobody knows where a message was lost; one that is late would be a line along its own node.
  const share = lost || late ? 0.6 : 1;
  const [x2, y2] = [round(x1 + (fullX - x1) * share), round(y1 + (fullY - y1) * share)];
  const way = fullY > y1 ? 1 : -1;
  const end = lost
    ? `M${x2 - 4} ${y2 - 4}l8 8m0 -8l-8 8`
    : late
      ? circle(x2, y2)
      : `${early ? circle(x1, y1) : ""}M${x2 - 3} ${y2 - 7 * way}L${x2} ${y2 - way}L${x2 + 3} ${y2 - 7 * way}`;
  const line = `M${x1} ${y1}L${x2} ${y2}`;
  const fate = lost ? "never arrived" : `arrived ${lasting(arrived - sent)} later`;
  const told = `${from} to ${to}: ${shortened(what, 160)}; sent ${at(sent)}, ${fate}`;
  const kind = `message ${kindOf(message)}${lost ? " lost" : late || early ? " held" : ""}`;
  return html`<g class="${kind}"><title>${told}</title><path d="${line}${end}"/><path class="reach" d="${line}"/></g>`;
}

function circle(x: number, y: number): string {
  return `M${round(x - 4)} ${y}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0`;
}

function ticks(frame: Frame, x: (time: Nanos) => number, height: number): Html[] {
  const step = (frame.until - frame.from) / 10;
  return Array.from({ length: 10 }, (_, i) => {
    const time = Math.round(frame.from + i * step);
    const digits = step < 1e6 ? 5 : 3;
    return html`<path class="tick" d="M${x(time)} 18V${height}"/><text class="time" x="${x(time)}" y="13">${(time / 1e9).toFixed(digits)} s</text>`;
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
