/** The report of a run: one HTML file that needs nothing else, neither a network nor the run it tells of. */
import type { Anomaly, Verdict } from "../src/checker.ts";
import type { Operation } from "../src/history/history.ts";
import type { Plan } from "../src/plan.ts";
import type { RunResult } from "../src/result.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { certify } from "./certificate.ts";
import { type Chart, charts, drawn } from "./charts.ts";
import { htmlDocument } from "./document.ts";
import { type FaultSpan, faultSpans, tellSpan } from "./fault-spans.ts";
import { type Content, Html, html, shortened, shown } from "./html.ts";
import { membersOf, reigns } from "./leadership.ts";
import { spacetimeSection } from "./spacetime.ts";
import { type Scene, type Story, tellStory, witnessOf } from "./story.ts";
import { type FaultColour, safeColour, styleSheet } from "./style.ts";
import { script, timelineSection } from "./timeline.ts";
import { timelineData } from "./timeline-data.ts";
import { at, counted, lasting } from "./wording.ts";

export interface ReportOptions {
  /** The one line that repeats the run. */
  readonly repeat: string;
}

const MOST_ANOMALIES = 20;
const MOST_SPANS = 200;

export async function renderReport(run: FinishedRun, options: ReportOptions): Promise<string> {
  const scene = sceneOf(run);
  const story = tellStory(run, scene);
  const colours = coloursOf(run, scene);
  const colourOf = (fault: string): string =>
    `var(--fault${colours.findIndex((colour) => colour.fault === fault)})`;
  const until = run.history.events.at(-1)?.time ?? 0;
  const figures = charts({ run, scene, colourOf, until });
  const svgs = run.history.client.length === 0 ? [] : await drawn(figures);
  const messages = spacetimeSection(run, scene, story, colourOf);
  const body = html`
${verdictHeader(run, story, options.repeat)}
${story === undefined ? undefined : storySection(story)}
${checkersSection(run)}
${timelineSection(
  timelineData(
    run,
    scene,
    colours.map(({ fault }) => fault),
    story,
  ),
)}
${messages}
${chartsSection(figures, svgs, colours, colourOf)}
${faultsSection(run, scene, colourOf)}
${planSection(run)}`;
  return htmlDocument({
    title: title(run),
    style: styleSheet(colours),
    navigation: navigation(story !== undefined, messages !== undefined),
    body,
    script: script(),
  });
}

function sceneOf(run: FinishedRun): Scene {
  const spans = faultSpans(run.history);
  const end = run.history.events.at(-1)?.time ?? 0;
  return { spans, nodes: membersOf(run, spans), reigns: reigns(run, spans, end) };
}

/** The faults of the plan, then others that the history names. */
function coloursOf(run: FinishedRun, scene: Scene): FaultColour[] {
  const summaries = run.result?.faults ?? [];
  const names = new Set([...run.plan.faults, ...scene.spans.map(({ fault }) => fault)]);
  return [...names].map((fault) => ({
    fault,
    colour: safeColour(summaries.find((summary) => summary.fault === fault)?.colour),
  }));
}

function title({ plan, result }: FinishedRun): string {
  return `${result?.validity ?? "unfinished"}: ${plan.workload}, seed ${plan.seed}`;
}

function navigation(story: boolean, messages: boolean): Html {
  const links = [
    ...(story ? [["story", "What happened"]] : []),
    ["checkers", "Checkers"],
    ["timeline", "Timeline"],
    ...(messages ? [["messages", "Messages"]] : []),
    ["charts", "Charts"],
    ["faults", "Faults"],
    ["plan", "Plan"],
  ] as const;
  return html`<nav aria-label="Sections"><div><b>Faultline</b>${links.map(([id, text]) => html`<a href="#${id as string}">${text}</a>`)}</div></nav>`;
}

function verdictHeader(run: FinishedRun, story: Story | undefined, repeat: string): Html {
  const { plan, result } = run;
  const kind =
    result === undefined || (result.validity === "valid" && result.vacuous) ? "unknown" : result.validity;
  const word =
    result === undefined
      ? "unfinished"
      : result.vacuous && result.validity === "valid"
        ? "vacuous"
        : result.validity;
  const injected = result?.faults.reduce((sum, { starts }) => sum + starts, 0);
  const facts: (readonly [string, Content])[] = [
    ["Operations", run.history.client.length],
    [
      "Virtual time",
      lasting((result?.counts.virtualSeconds ?? (run.history.events.at(-1)?.time ?? 0) / 1e9) * 1e9),
    ],
    ["Faults injected", injected ?? "unknown"],
    ["Nodes", plan.nodes],
    ["Clients", plan.concurrency],
    ["Seed", plan.seed],
  ];
  return html`<header class="${kind}" id="verdict">
<span class="badge">${word.toUpperCase()}</span>
<h1>${verdictSentence(run, story)}</h1>
<p>${planInALine(plan)}</p>
<div class="repeat"><code id="repeat">${repeat}</code><button type="button" data-copy="repeat">Copy</button></div>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>`;
}

/** What a newcomer should take away. */
export function verdictSentence(run: FinishedRun, story: Story | undefined): string {
  const { result } = run;
  if (result === undefined)
    return run.torn
      ? "The tester died in the middle of this run: there is a history, but no verdict."
      : "This run has no verdict: it did not finish, or nobody judged it.";
  if (result.validity === "invalid") return story?.headline ?? result.summary;
  if (result.validity === "unknown")
    return `It is not known whether every promise was kept. ${result.summary}`;
  const operations = counted(run.history.client.length, "operation");
  if (result.vacuous)
    return `No broken promise was found, but the run proves less than it should. ${result.summary}`;
  const struck = result.faults.filter(({ bites }) => bites > 0);
  const faults = struck.reduce((sum, { starts }) => sum + starts, 0);
  return faults === 0
    ? `Every promise was kept in ${operations}; nothing was broken on purpose.`
    : `Every promise was kept in ${operations}, although ${counted(faults, "fault")} struck (${struck.map(({ fault }) => fault).join(", ")}).`;
}

function planInALine(plan: Plan): string {
  const rate = plan.rate > 0 ? `at ${plan.rate} operations per second` : "as fast as answers come";
  const load =
    plan.script === undefined
      ? `${counted(plan.concurrency, "client")} ${rate} for ${plan.duration} s`
      : `a script of ${counted(plan.script.length, "call")}`;
  const faults = plan.faults.length === 0 ? "no faults" : `faults: ${plan.faults.join(", ")}`;
  const bug = plan.bug === "" ? "" : `; planted bug: ${plan.bug}`;
  return `${plan.workload} on ${counted(plan.nodes, "node")} of ${plan.system} (${plan.place}), ${load}; ${faults}; seed ${plan.seed}${bug}.`;
}

function storySection(story: Story): Html {
  return html`<section id="story"><h2>What happened</h2>
${story.chapters.map(({ title: name, sentences }) => html`<h3>${name}</h3>${sentences.map((sentence) => html`<p>${shortened(sentence, 2_000)}</p>`)}`)}
${story.witness.length === 0 ? undefined : html`<h3>The operations that prove it</h3>${witnessTable(story.witness)}`}
</section>`;
}

const MOST_WITNESSES = 40;

function witnessTable(witness: readonly Operation[]): Html {
  const left = witness.length - MOST_WITNESSES;
  return html`<div class="scroll"><table><thead><tr><th>Asked</th><th>Answered</th><th>Process</th><th>Node</th><th>Operation</th><th>Answer</th><th></th></tr></thead><tbody>
${witness.slice(0, MOST_WITNESSES).map(
  (
    op,
  ) => html`<tr><td class="num">${at(op.invokeTime)}</td><td class="num">${Number.isFinite(op.completeTime) ? at(op.completeTime) : "never"}</td><td>${op.process}</td><td>${op.node ?? ""}</td>
<td class="value mono">${op.f}${op.key === undefined ? "" : ` ${shortened(op.key, 80)}`}${op.input === null ? "" : ` ${shown(op.input, 120)}`}</td><td class="value mono">${op.type === "ok" ? shown(op.output, 160) : `${op.type}: ${shortened(op.error, 160)}`}</td><td>${jump(op.invokeIndex, "show")}</td></tr>`,
)}</tbody></table></div>${left > 0 ? html`<p class="muted">and ${left} more.</p>` : undefined}`;
}

/** A button that shows an event of the history in the timeline. */
function jump(index: number, text: string): Html {
  return html`<button type="button" class="plain" data-jump="${index}">${text}</button>`;
}

function checkersSection(run: FinishedRun): Html {
  const verdicts = run.result?.verdicts ?? [];
  return html`<section id="checkers"><h2>Checkers</h2>
${
  verdicts.length === 0
    ? html`<p>No checker has judged this run.</p>`
    : html`<div class="scroll"><table><thead><tr><th>Verdict</th><th>Checker</th><th>Why</th><th class="num">Checked</th></tr></thead><tbody>
${verdicts.map(
  (verdict) =>
    html`<tr><td><span class="badge ${validityClass(verdict)}">${verdict.validity}</span></td><td>${verdict.checker}</td><td>${shortened(verdict.reason, 1_000)}${anomalyList(run, verdict)}</td><td class="num">${verdict.checked}</td></tr>`,
)}</tbody></table></div>`
}
</section>`;
}

function validityClass({ validity }: Verdict): string {
  return validity === "valid" || validity === "invalid" ? validity : "unknown";
}

function anomalyList(run: FinishedRun, verdict: Verdict): Html | undefined {
  if (verdict.anomalies.length === 0) return undefined;
  const told = verdict.anomalies.slice(0, MOST_ANOMALIES);
  const left = verdict.anomalies.length - told.length;
  return html`<details><summary>${counted(verdict.anomalies.length, "anomaly", "anomalies")} told</summary><ol>
${told.map((anomaly) => html`<li><b>${anomaly.name}</b> <span class="muted">(${anomaly.guarantee})</span><br>${shortened(anomaly.explanation, 2_000)}${witnessLinks(run, anomaly)}${certificateOf(run, verdict, anomaly)}</li>`)}</ol>${left > 0 ? html`<p class="muted">and ${left} more.</p>` : undefined}</details>`;
}

function witnessLinks(run: FinishedRun, anomaly: Anomaly): Content {
  const witness = witnessOf(run, anomaly).slice(0, 12);
  return witness.length === 0
    ? undefined
    : html`<br>${witness.map((op) => html`${jump(op.invokeIndex, `${op.f} of process ${op.process}`)} `)}`;
}

/** The proof for a machine, if there is one. */
function certificateOf(run: FinishedRun, verdict: Verdict, anomaly: Anomaly): Html | undefined {
  const certificate = certify(run.history, verdict, anomaly);
  return certificate === undefined
    ? undefined
    : html`<details><summary>Certified: a second program, which knows nothing of this checker, has tried every order of these ${counted(certificate.operations.length, "operation")}, and none explains them</summary><pre>${JSON.stringify(certificate)}</pre></details>`;
}

function chartsSection(
  figures: readonly Chart[],
  svgs: readonly string[],
  colours: readonly FaultColour[],
  colourOf: (fault: string) => string,
): Html {
  return html`<section id="charts"><h2>Charts</h2>
${svgs.length === 0 ? html`<p>No operation was recorded.</p>` : html`<p class="legend">${colours.map(({ fault }) => html`<span><span class="swatch" style="background:${colourOf(fault)}"></span>${fault}</span>`)}</p>`}
${svgs.map((svg, i) => {
  const { title: name, caption } = figures[i] as Chart;
  return html`<figure><figcaption><b>${name}.</b> ${caption}</figcaption>${new Html(svg)}</figure>`;
})}
</section>`;
}

function faultsSection(run: FinishedRun, scene: Scene, colourOf: (fault: string) => string): Html {
  const result = run.result;
  const spans = scene.spans.slice(0, MOST_SPANS);
  return html`<section id="faults"><h2>Faults</h2>
${
  result === undefined || result.faults.length === 0
    ? html`<p>No fault was asked for.</p>`
    : html`<div class="scroll"><table><thead><tr><th>Fault</th><th class="num">Started</th><th class="num">Visible effects</th><th>Proof that it bit</th></tr></thead><tbody>
${result.faults.map(({ fault, starts, bites }) => html`<tr><td><span class="swatch" style="background:${colourOf(fault)}"></span>${fault}</td><td class="num">${starts}</td><td class="num">${bites}</td><td>${evidence(scene.spans, fault, starts, bites)}</td></tr>`)}</tbody></table></div>`
}
${
  spans.length === 0
    ? undefined
    : html`<details><summary>Every span (${scene.spans.length})</summary><div class="scroll"><table><thead><tr><th>From</th><th>To</th><th>Fault</th><th>What it did</th><th class="num">Effects</th></tr></thead><tbody>
${spans.map((span) => html`<tr><td class="num">${at(span.from)}</td><td class="num">${at(span.until)}</td><td>${span.fault}</td><td>${shortened(tellSpan(span, scene.nodes), 400)}</td><td class="num">${span.bites ?? ""}</td></tr>`)}</tbody></table></div></details>`
}
${nodeEnds(result)}
${reached(result)}
</section>`;
}

function evidence(spans: readonly FaultSpan[], fault: string, starts: number, bites: number): string {
  if (starts === 0) return "never started in this run";
  if (bites === 0) return "none: it was injected in vain";
  const best = spans.filter((span) => span.fault === fault && (span.bites ?? 0) > 0)[0];
  return best === undefined ? "" : shown(best.healed ?? best.did, 160);
}

function nodeEnds(result: RunResult | undefined): Html | undefined {
  if (result === undefined || result.nodeEnds.length === 0) return undefined;
  return html`<h3>Nodes that ended by themselves</h3><div class="scroll"><table><thead><tr><th>When</th><th>Node</th><th>How</th><th>Why</th></tr></thead><tbody>
${result.nodeEnds.slice(0, MOST_SPANS).map(({ time, node, kind, reason }) => html`<tr><td class="num">${at(time)}</td><td>${node}</td><td>${kind}</td><td class="value">${shortened(reason, 600)}</td></tr>`)}</tbody></table></div>`;
}

function reached(result: RunResult | undefined): Html | undefined {
  const sites = Object.entries(result?.reached ?? {});
  if (sites.length === 0) return undefined;
  return html`<details><summary>What was reached (${sites.length} places)</summary><p class="muted">Events inside the cluster, with how often they happened: a run that never elected a second leader has not tested elections.</p>
<div class="scroll"><table><thead><tr><th>Event</th><th class="num">Times</th></tr></thead><tbody>${sites.map(([site, count]) => html`<tr><td>${site}</td><td class="num">${count}</td></tr>`)}</tbody></table></div></details>`;
}

function planSection(run: FinishedRun): Html {
  const { plan, result } = run;
  const phases = Object.entries(result?.phases ?? {});
  return html`<section id="plan"><h2>Plan</h2>
${phases.length === 0 ? undefined : html`<p>Phases: ${phases.map(([phase, time], i) => html`${i > 0 ? ", " : ""}<b>${phase}</b> from ${at(time)}`)}.</p>`}
${result === undefined || result.traceHash === "" ? undefined : html`<p>Trace hash: <code>${result.traceHash}</code>. The same plan gives the same hash on every machine.</p>`}
<details><summary>The plan as JSON</summary><pre>${JSON.stringify(plan, null, 2)}</pre></details>
</section>`;
}
