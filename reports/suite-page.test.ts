import { describe, expect, it } from "vitest";
import type { CellSummary, SuiteFinding, SuiteSummary } from "../src/suite/summary.ts";
import { renderSuite } from "./suite-page.ts";
import { renderJUnit, renderMarkdown } from "./suite-text.ts";

const cell = (id: string, state: CellSummary["state"], more: Partial<CellSummary> = {}): CellSummary => ({
  id,
  matrix: "m",
  state,
  planned: 2,
  valid: 1,
  invalid: 0,
  unknown: 0,
  broken: 0,
  operations: 100,
  seconds: 10,
  toothless: [],
  ...more,
});
const finding: SuiteFinding = {
  signature: "linearizable: stale <read>",
  summary: "process 1 read | 2\nafter 3",
  known: false,
  trials: 4,
  cells: ["broke"],
  example: { cell: "broke", seed: 7, run: "store/register/x", repeat: "npx faultline run --seed 7" },
  failed: { times: 2, of: 3 },
  since: "2030-01-02T03:04:05.000Z",
  suites: 3,
};
const summary: SuiteSummary = {
  name: "s",
  started: "2030-01-04T03:04:05.000Z",
  elapsed: 90_000,
  state: "invalid",
  planned: 12,
  done: 9,
  cells: [
    cell("fine", "valid"),
    cell("broke", "invalid"),
    cell("empty", "vacuous", { toothless: ["pause"] }),
    cell("docker", "impossible", { impossible: "there is no Docker" }),
    cell("harness", "broken"),
    cell("later", "not run"),
  ],
  findings: [finding],
  gone: ["watch: lost event"],
  broken: [{ cell: "harness", seed: 3, summary: "out of files" }],
};
const page = renderSuite({
  summary,
  earlier: [{ ...summary, started: "2030-01-03T03:04:05.000Z", state: "valid", findings: [] }],
  linkTo: (run) => `../../../${run}`,
  resume: "npx faultline suite --resume here",
});

describe("the page of a suite", () => {
  it("says in a sentence what broke, and what of it is new", () => {
    expect(page).toContain(
      "<h1>Suite s: 1 finding from before, 1 finding no longer seen, 1 trial in which the harness broke and 1 cell that prove less than they should. 9 trials of 6 cells are over, and 3 were not run.</h1>",
    );
  });

  it("says of a finding since when it is there, how sure it is, and how to repeat it, and escapes it", () => {
    expect(page).toContain("linearizable: stale &lt;read&gt;");
    expect(page).toContain("since 2030-01-02 03:04, seen by 3 suites");
    expect(page).toContain("flaky: failed 2 of 3 times");
    expect(page).toContain('<a href="../../../store/register/x/report.html">');
    expect(page).toContain("npx faultline run --seed 7");
  });

  it("keeps apart what was not run, could not be run, or says nothing", () => {
    for (const words of [
      "there is no Docker",
      "never bit: pause",
      "out of files",
      "npx faultline suite --resume here",
    ])
      expect(page).toContain(words);
    expect(page).not.toMatch(/<script|src=/);
  });
});

it("is told to build servers: failures, errors and what was skipped", () => {
  const xml = renderJUnit(summary);
  expect(xml).toContain('tests="6" failures="1" errors="1" skipped="3"');
  expect(xml).toContain('<failure type="linearizable: stale &lt;read&gt;"');
  expect(xml).toContain('<error message="seed 3: out of files"/>');
  expect(xml).toContain('<skipped message="there is no Docker"/>');
  expect(xml.match(/<testcase /g)).toHaveLength(6);
});

it("is told in Markdown in which a value ends no cell and is no markup", () => {
  const row = renderMarkdown(summary)
    .split("\n")
    .find((line) => line.includes("stale"));
  expect(row).toContain("stale \\<read\\>");
  expect(row).toContain("read \\| 2 after 3");
  expect(row?.match(/(?<!\\)\|/g)).toHaveLength(5);
});
