/** What a suite came to, as a page: in the morning a person opens this first. */
import type { CellSummary, SuiteFinding, SuiteSummary } from "../src/suite/summary.ts";
import { htmlDocument } from "./document.ts";
import { type Html, html } from "./html.ts";
import { styleSheet } from "./style.ts";
import { counted, lasting, listed } from "./wording.ts";

export interface SuitePage {
  readonly summary: SuiteSummary;
  /** The same suite before, newest first. */
  readonly earlier: readonly SuiteSummary[];
  /** From the page to the directory of a run. */
  readonly linkTo: (run: string) => string;
  /** The line that goes on with the suite. */
  readonly resume: string;
}

/** Earlier suites shown. */
const NIGHTS = 30;

export function renderSuite(page: SuitePage): string {
  const { summary, earlier } = page;
  const { cells, findings, broken } = summary;
  const facts: readonly (readonly [string, string])[] = [
    ["trials", `${summary.done} of ${summary.planned}`],
    ["operations", String(cells.reduce((sum, { operations }) => sum + operations, 0))],
    ["time of the histories", lasting(cells.reduce((sum, { seconds }) => sum + seconds, 0) * 1e9)],
    ["took", lasting(summary.elapsed * 1e6)],
    ["began", minute(summary.started)],
  ];
  const body = html`
<header class="${badge(summary.state)}">
<span class="badge">${summary.state.toUpperCase()}</span>
<h1>${suiteSentence(summary)}</h1>
<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>
${findings.length === 0 ? undefined : findingSection(page)}
${broken.length === 0 ? undefined : brokenSection(summary)}
${cellSection(page)}
${earlier.length === 0 ? undefined : trendSection(summary, earlier)}`;
  return htmlDocument({
    title: `${summary.state}: suite ${summary.name}`,
    style: styleSheet([]),
    body,
  });
}

/** In a sentence, what a person should take away. */
export function suiteSentence({ name, findings, broken, cells, done, planned, gone }: SuiteSummary): string {
  const news = findings.filter(({ known, suites }) => !known && suites === 1);
  const old = findings.filter(({ known, suites }) => !known && suites > 1);
  const known = findings.filter((finding) => finding.known);
  const parts = [
    ...(news.length > 0 ? [counted(news.length, "new finding")] : []),
    ...(old.length > 0 ? [`${counted(old.length, "finding")} from before`] : []),
    ...(known.length > 0 ? [counted(known.length, "known finding")] : []),
    ...(gone.length > 0 ? [`${counted(gone.length, "finding")} no longer seen`] : []),
    ...(broken.length > 0 ? [`${counted(broken.length, "trial")} in which the harness broke`] : []),
  ];
  const count = (state: CellSummary["state"]) => cells.filter((cell) => cell.state === state).length;
  const doubts = count("unknown") + count("vacuous");
  if (doubts > 0) parts.push(`${counted(doubts, "cell")} that prove less than they should`);
  const told = parts.length > 0 ? listed(parts) : done > 0 ? "every promise was kept" : "nothing was run";
  const left = done < planned ? `, and ${planned - done} were not run` : "";
  return `Suite ${name}: ${told}. ${counted(done, "trial")} of ${counted(cells.length, "cell")} are over${left}.`;
}

function badge(state: CellSummary["state"]): "valid" | "invalid" | "unknown" {
  if (state === "valid" || state === "invalid") return state;
  return state === "broken" ? "invalid" : "unknown";
}

/** How sure it is that a finding comes back. */
export function evidence({ failed: { times, of } }: SuiteFinding): string {
  if (of === 0) return "not tried again";
  return times === of ? `failed ${of} of ${of} times` : `flaky: failed ${times} of ${of} times`;
}

/** A point in time to the minute, UTC. */
function minute(time: string): string {
  return time.slice(0, 16).replace("T", " ");
}

export function sinceWords({ since, suites }: SuiteFinding): string {
  return suites === 1 ? "new" : `since ${minute(since)}, seen by ${suites} suites`;
}

function findingSection({ summary, linkTo }: SuitePage): Html {
  return html`<section>
<h2>What broke</h2>
<div class="scroll"><table>
<thead><tr><th>Finding</th><th>Since</th><th class="num">Trials</th><th>Where</th><th>How to repeat it</th></tr></thead>
<tbody>
${summary.findings.map(
  (
    finding,
  ) => html`<tr><td><span class="badge ${finding.known ? "unknown" : "invalid"}">${finding.known ? "known" : "invalid"}</span> <b>${finding.signature}</b><br>${finding.summary}</td>
<td>${sinceWords(finding)}</td><td class="num">${finding.trials}</td><td>${finding.cells.map((cell) => html`<code>${cell}</code><br>`)}</td>
<td>${finding.example.run === undefined ? undefined : html`<a href="${linkTo(finding.example.run)}/report.html">report</a>, seed ${finding.example.seed}, ${evidence(finding)}<br>`}<code>${finding.example.repeat}</code></td></tr>
`,
)}
</tbody></table></div>
${summary.gone.length === 0 ? undefined : html`<p>No longer seen: ${summary.gone.join("; ")}.</p>`}
</section>`;
}

function brokenSection({ broken }: SuiteSummary): Html {
  return html`<section>
<h2>Where the harness broke</h2>
<p class="muted">These trials say nothing about the system.</p>
<div class="scroll"><table>
<thead><tr><th>Cell</th><th class="num">Seed</th><th>Why</th></tr></thead>
<tbody>
${broken.map(
  ({
    cell,
    seed,
    summary,
  }) => html`<tr><td><code>${cell}</code></td><td class="num">${seed}</td><td>${summary}</td></tr>
`,
)}
</tbody></table></div>
</section>`;
}

function cellSection({ summary, resume }: SuitePage): Html {
  return html`<section>
<h2>Cells</h2>
${summary.done < summary.planned ? html`<p>Not all of it was run. To go on: <code>${resume}</code></p>` : undefined}
<div class="scroll"><table>
<thead><tr><th>Cell</th><th>State</th><th class="num">Valid</th><th class="num">Invalid</th><th class="num">Unknown</th><th class="num">Planned</th><th class="num">Operations</th><th>Remark</th></tr></thead>
<tbody>
${summary.cells.map(
  (
    cell,
  ) => html`<tr><td><code>${cell.id}</code></td><td><span class="badge ${badge(cell.state)}">${cell.state}</span></td>
<td class="num">${cell.valid}</td><td class="num">${cell.invalid}</td><td class="num">${cell.unknown}</td><td class="num">${cell.planned}</td><td class="num">${cell.operations}</td>
<td>${cell.impossible ?? (cell.toothless.length === 0 ? undefined : `never bit: ${cell.toothless.join(", ")}`)}</td></tr>
`,
)}
</tbody></table></div>
</section>`;
}

function trendSection(summary: SuiteSummary, earlier: readonly SuiteSummary[]): Html {
  return html`<section>
<h2>Nights</h2>
<div class="scroll"><table>
<thead><tr><th>Began</th><th>State</th><th class="num">Trials</th><th>Findings</th></tr></thead>
<tbody>
${[summary, ...earlier].slice(0, NIGHTS).map(
  ({
    started,
    state,
    done,
    findings,
  }) => html`<tr><td>${minute(started)}</td><td><span class="badge ${badge(state)}">${state}</span></td><td class="num">${done}</td>
<td>${findings.map(({ signature }) => signature).join("; ")}</td></tr>
`,
)}
</tbody></table></div>
</section>`;
}
