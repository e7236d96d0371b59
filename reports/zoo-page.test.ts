import { expect, it } from "vitest";
import type { Control, Row } from "../src/zoo/matrix.ts";
import { score } from "../src/zoo/matrix.ts";
import { renderZoo } from "./zoo-page.ts";

const bugs = ["found-bug", "missed-bug"].map((name) => ({
  name,
  area: "commit",
  mutation: `what ${name} does to <entries>`,
  reference: "paper",
}));
const row = (bug: string, found: number): Row => ({
  bug,
  workload: "register",
  starts: 3,
  found,
  seen: found,
  cpuSeconds: { median: 1.25, low: 1, high: 2 },
  seeds: { median: 4, low: 1, high: 9 },
  checkers: found > 0 ? ["linearizable"] : [],
  shrunk: found > 0 ? { nodes: 3, faults: 2, operations: 5, cpuSeconds: 1 } : undefined,
});
const control = (alarm: Control["alarm"]): Control => ({
  name: "no bug",
  workload: "register",
  seeds: 70,
  cpuSeconds: 20,
  alarm,
});

const render = (rows: readonly Row[], controls: readonly Control[]) =>
  renderZoo({ bugs, rows, controls, score: score(rows) });

it("tells of each bug what was found, and escapes what it quotes", () => {
  const page = render([row("found-bug", 3), row("missed-bug", 0)], [control(undefined)]);
  expect(page).toContain("1 of 2 planted bugs were found by most starts");
  expect(page).toContain("what missed-bug does to &lt;entries&gt;");
  expect(page).toMatch(/badge valid">3\/3</);
  expect(page).toMatch(/badge invalid">0\/3</);
  expect(page).toContain("3 nodes, 2 faults, 5 operations");
  expect(page).toContain('<header class="unknown">');
});

it("loads nothing and runs nothing", () => {
  const page = render([row("found-bug", 3)], []);
  expect(page).toContain("default-src 'none'");
  expect(page).not.toMatch(/<script|src=|href=/);
});

it("puts a false alarm above all scores", () => {
  const rows = [row("found-bug", 3)];
  expect(render(rows, [control(undefined)])).toContain('<header class="valid">');
  const alarmed = render(rows, [control({ seed: 12, checkers: ["watch"] })]);
  expect(alarmed).toContain('<header class="invalid">');
  expect(alarmed).toContain("seed 12, by watch");
});
