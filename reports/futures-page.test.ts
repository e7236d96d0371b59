import { expect, it } from "vitest";
import type { Futures, Moment } from "../src/futures/futures.ts";
import { History } from "../src/history/history.ts";
import { NEMESIS } from "../src/history/op.ts";
import { parsePlan } from "../src/plan.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { happened, renderFutures, tellRise } from "./futures-page.ts";

const moment = (at: number, failed: number): Moment => ({ at, futures: 20, failed });
const futures = (...moments: Moment[]): Futures => ({
  failure: { checker: "linearizable", anomaly: "stale <read>" },
  proved: 3,
  moments,
});
const run: FinishedRun = {
  plan: parsePlan({}),
  history: new History([
    { index: 0, time: 0.5e9, process: NEMESIS, type: "invoke", f: "start-kill", value: null },
    { index: 1, time: 1.5e9, process: NEMESIS, type: "ok", f: "start-kill", value: ["n1"] },
    { index: 2, time: 2.5e9, process: 0, type: "invoke", f: "read", value: null },
  ]),
  torn: false,
  trace: [{ time: 1.2e9, node: "n1", kind: "become-leader", detail: { term: 2 } }],
  messages: [],
  result: undefined,
};

it("tells where the likelihood rises, and from when on it was lost", () => {
  expect(tellRise(futures(moment(0, 1), moment(1, 2), moment(2, 19), moment(3, 20)))).toBe(
    "The likelihood rises most between 1.000 s and 2.000 s: from 10 % to 95 %. From 2.000 s on, most futures fail.",
  );
  expect(tellRise(futures(moment(0, 0), moment(1, 0), moment(2, 9)))).toMatch(
    /even at the end, most futures go well/,
  );
});

it("names no moment where chance alone can explain the difference", () => {
  expect(tellRise(futures(moment(0, 16), moment(1, 17), moment(2, 20)))).toMatch(
    /^No moment stands out: 80 % .* from the beginning/,
  );
  expect(tellRise(futures(moment(0, 4), moment(1, 8), moment(2, 12), moment(3, 16)))).toMatch(
    /from 20 % to 80 % bit by bit/,
  );
});

it("lists what happened in between, in the order of time", () => {
  expect(happened(run, 1, 2)).toEqual([
    { at: 1.2, who: "n1", what: 'become-leader {"term":2}' },
    { at: 1.5, who: "nemesis", what: 'ok start-kill ["n1"]' },
  ]);
});

it("draws the likelihood, and escapes what it quotes", async () => {
  const page = await renderFutures(
    futures(moment(0, 1), moment(1, 2), moment(2, 19)),
    run,
    "npx faultline run",
  );
  expect(page).toContain("stale &lt;read&gt;");
  expect(page).toContain("What happened from 1.000 s to 2.000 s");
  expect(page).toMatch(/<svg[^>]*>[\s\S]*percent of futures that fail/);
  expect(page).not.toMatch(/<script|src=/);
});
