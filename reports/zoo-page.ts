/** The matrix of the zoo as a page: which bugs were found, by whom, how fast, how small; and the controls. */
import type { Control, Row, Score } from "../src/zoo/matrix.ts";
import { htmlDocument } from "./document.ts";
import { type Html, html } from "./html.ts";
import { styleSheet } from "./style.ts";

export interface Zoo {
  readonly bugs: readonly {
    readonly name: string;
    readonly area: string;
    readonly mutation: string;
    readonly reference: string;
  }[];
  readonly rows: readonly Row[];
  readonly controls: readonly Control[];
  readonly score: Score;
}

export function renderZoo(zoo: Zoo): string {
  const { score, controls } = zoo;
  const alarms = controls.filter(({ alarm }) => alarm !== undefined).length;
  const sound = alarms === 0 && score.mostly === score.bugs;
  const body = html`
<header class="${alarms > 0 ? "invalid" : sound ? "valid" : "unknown"}">
<h1>How far can the tester be trusted?</h1>
<p>${score.mostly} of ${score.bugs} planted bugs were found by most starts, ${score.mostlySeen} of them by what clients saw alone. ${
    controls.length === 0
      ? "There were no controls."
      : alarms === 0
        ? `${controls.length} controls without a bug raised no false alarm.`
        : `${alarms} of ${controls.length} controls raised a false alarm.`
  }</p>
<dl class="facts">
${fact("found by all starts", `${score.always} of ${score.bugs}`)}
${fact("median CPU-seconds", figure(score.medianCpuSeconds))}
${fact("shrunk to, median", shrunkTo(score))}
</dl>
</header>
${bugSection(zoo)}
${controls.length === 0 ? undefined : controlSection(controls)}`;
  return htmlDocument({ title: "The zoo of planted bugs", style: styleSheet([]), body });
}

function fact(name: string, value: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function figure(value: number): string {
  return Number.isNaN(value) ? "none" : value.toFixed(1);
}

function shrunkTo({ medianFaults, medianOperations }: Score): string {
  return Number.isNaN(medianFaults) ? "not tried" : `${medianFaults} faults, ${medianOperations} operations`;
}

function bugSection({ bugs, rows }: Zoo): Html {
  return html`<section>
<h2>Bugs</h2>
<p class="muted">Found: starts that found it within the limit. Seen: starts in which clients alone could tell. The brackets hold 95 % of the intervals by order statistics.</p>
<div class="scroll"><table>
<thead><tr><th>Bug</th><th class="num">Found</th><th class="num">Seen</th><th class="num">CPU-seconds</th><th class="num">Seeds</th><th>Shrunk to</th><th>Found by</th></tr></thead>
<tbody>
${rows.map((row) =>
  bugRow(
    row,
    bugs.find(({ name }) => name === row.bug),
  ),
)}
</tbody></table></div>
</section>`;
}

function bugRow(
  { bug, workload, starts, found, seen, cpuSeconds, seeds, shrunk, checkers }: Row,
  about: Zoo["bugs"][number] | undefined,
): Html {
  const { median, low, high } = cpuSeconds;
  const verdict = found === starts ? "valid" : 2 * found > starts ? "unknown" : "invalid";
  return html`<tr><td><details><summary><code>${bug}</code></summary>${about?.mutation} <span class="muted">(${about?.area}; ${about?.reference}; workload ${workload})</span></details></td>
<td class="num"><span class="badge ${verdict}">${found}/${starts}</span></td><td class="num">${seen}/${starts}</td>
<td class="num">${median.toFixed(1)} <span class="muted">[${low.toFixed(1)}..${high.toFixed(1)}]</span></td><td class="num">${seeds.median}</td>
<td>${shrunk === undefined ? "" : `${shrunk.nodes} nodes, ${shrunk.faults} faults, ${shrunk.operations} operations`}</td>
<td>${checkers.join(", ")}</td></tr>
`;
}

function controlSection(controls: readonly Control[]): Html {
  return html`<section>
<h2>Controls</h2>
<p class="muted">The same plans without a bug, and with mutations that break no promise. Anything found here is a false alarm.</p>
<div class="scroll"><table>
<thead><tr><th>Build</th><th>Workload</th><th class="num">Runs</th><th class="num">CPU-seconds</th><th>Verdict</th></tr></thead>
<tbody>
${controls.map(
  ({
    name,
    workload,
    seeds,
    cpuSeconds,
    alarm,
  }) => html`<tr><td>${name}</td><td>${workload}</td><td class="num">${seeds}</td><td class="num">${cpuSeconds.toFixed(1)}</td>
<td>${
    alarm === undefined
      ? html`<span class="badge valid">all valid</span>`
      : html`<span class="badge invalid">false alarm</span> seed ${alarm.seed}, by ${alarm.checkers.join(", ")}`
  }</td></tr>
`,
)}
</tbody></table></div>
</section>`;
}
