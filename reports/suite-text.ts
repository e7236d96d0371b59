/** What a suite came to, for build servers: JUnit's XML, and Markdown for the page of a job. */
import { type CellSummary, grouped, type SuiteSummary } from "../src/suite/summary.ts";
import { html, visible } from "./html.ts";
import { evidence, sinceWords, suiteSentence } from "./suite-page.ts";

/**
 * A test suite per matrix and a test case per cell. Findings are failures, a broken harness is an error, and what was
 * not run is skipped; known findings are skipped too, as servers have no word for them.
 */
export function renderJUnit(summary: SuiteSummary): string {
  const matrices = grouped(summary.cells, ({ matrix }) => matrix);
  const body = html`<testsuites name="${summary.name}" time="${(summary.elapsed / 1_000).toFixed(3)}">
${[...matrices].map(
  ([
    matrix,
    cells,
  ]) => html`<testsuite name="${matrix}" timestamp="${summary.started}" tests="${cells.length}" failures="${count(cells, "invalid")}" errors="${count(cells, "broken")}" skipped="${count(cells, "known", "unknown", "vacuous", "not run", "impossible")}">
${cells.map(
  (
    cell,
  ) => html`<testcase classname="${summary.name}.${matrix}" name="${cell.id}">${outcome(summary, cell)}</testcase>
`,
)}</testsuite>
`,
)}</testsuites>
`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${body.text}`;
}

function count(cells: readonly CellSummary[], ...states: readonly CellSummary["state"][]): number {
  return cells.filter(({ state }) => states.includes(state)).length;
}

function outcome({ findings, broken }: SuiteSummary, cell: CellSummary) {
  const here = findings.filter(({ cells }) => cells.includes(cell.id));
  switch (cell.state) {
    case "valid":
      return undefined;
    case "broken":
      return broken
        .filter((trial) => trial.cell === cell.id)
        .map(({ seed, summary }) => html`<error message="seed ${seed}: ${summary}"/>`);
    case "invalid":
      return here.map(
        (finding) =>
          html`<failure type="${finding.signature}" message="${finding.summary}">${sinceWords(finding)}; ${evidence(finding)}
${finding.example.repeat}</failure>`,
      );
    case "known":
      return html`<skipped message="known: ${here.map(({ signature }) => signature).join("; ")}"/>`;
    case "impossible":
      return html`<skipped message="${cell.impossible}"/>`;
    case "vacuous":
      return html`<skipped message="vacuous: ${cell.toothless.join(", ")} never bit"/>`;
    default:
      return html`<skipped message="${cell.state}"/>`;
  }
}

/** GitHub's flavour. */
export function renderMarkdown(summary: SuiteSummary): string {
  const lines = [`## ${cell(suiteSentence(summary))}`, ""];
  if (summary.findings.length > 0) {
    lines.push("| Finding | Since | Trials | How to repeat it |", "|---|---|---|---|");
    for (const finding of summary.findings)
      lines.push(
        `| ${finding.known ? "known: " : ""}<b>${cell(finding.signature)}</b> ${cell(finding.summary)} | ${sinceWords(finding)} | ${finding.trials} | ${evidence(finding)}${finding.example.repeat === undefined ? "" : `: ${code(finding.example.repeat)}`} |`,
      );
    lines.push("");
  }
  for (const { cell: where, seed, summary: reason } of summary.broken)
    lines.push(`* the harness broke: ${code(where)}, seed ${seed}: ${cell(reason)}`);
  const matrices = grouped(summary.cells, ({ matrix }) => matrix);
  lines.push("", "| Matrix | Cells | Valid | Invalid | Known | Unknown or vacuous | Broken | Not run |");
  lines.push("|---|---|---|---|---|---|---|---|");
  for (const [matrix, cells] of matrices)
    lines.push(
      `| ${matrix} | ${cells.length} | ${count(cells, "valid")} | ${count(cells, "invalid")} | ${count(cells, "known")} | ${count(cells, "unknown", "vacuous")} | ${count(cells, "broken")} | ${count(cells, "not run", "impossible")} |`,
    );
  return `${lines.join("\n")}\n`;
}

/** Text that stays in its cell of a table, and is no markup. */
function cell(text: string): string {
  return visible(text)
    .replace(/[\\`*_{}[\]<>#|]/g, (character) => `\\${character}`)
    .replaceAll("\n", " ");
}

function code(text: string): string {
  return `<code>${html`${text}`.text.replaceAll("|", "&#124;").replaceAll("\n", " ")}</code>`;
}
