import { expect, it } from "vitest";
import { parseHistory } from "../src/history/notation.ts";
import { parsePlan } from "../src/plan.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { timelineModel } from "./browser/model.ts";
import { faultSpans } from "./fault-spans.ts";
import { timelineData } from "./timeline-data.ts";

const history = parseHistory(`
  1ms  0@n1 invoke write(x) 1
  2ms  1@n2 invoke read(x)
  3ms  0@n1 ok     write(x) {"revision":2}
  4ms  2@n1 invoke read(y)
  5ms  nemesis invoke start-kill {}
  5ms  nemesis ok     start-kill {"nodes":["n2"]}
  6ms  1@n2 info   read(x) ! timeout
  7ms  0@n1 invoke write(y) 2
  8ms  0@n1 fail   write(y) 2 ! refused
  9ms  12@n2 invoke read(x)
`);
const run: FinishedRun = {
  plan: parsePlan({ concurrency: 10 }),
  history,
  torn: false,
  trace: [],
  messages: [],
  result: undefined,
};
const scene = { nodes: ["n1", "n2"], spans: faultSpans(history), reigns: [] };
const data = timelineData(run, scene, ["kill"], undefined);
const model = timelineModel(JSON.parse(JSON.stringify(data)) as typeof data);
const anything = { f: -1, type: -1, node: -1, process: "", key: "", text: "" };

it("comes back from the page as it was in the history", () => {
  expect(model.count).toBe(history.client.length);
  history.client.forEach((op, row) => {
    expect(model.from[row]).toBe(op.invokeTime / 1e3);
    expect(model.until[row]).toBe(Math.min(op.completeTime / 1e3, 9_000));
    const details = Object.fromEntries(model.details(row));
    expect(details.Operation).toBe(op.f);
    expect(details.Key).toBe(op.key);
    expect(details.Process).toBe(String(op.process));
    expect(details.Node).toBe(op.node);
    expect(details.Asked).toContain(`(event ${op.invokeIndex})`);
    if (Number.isFinite(op.completeIndex)) expect(details.Answered).toContain(`(event ${op.completeIndex})`);
    else expect(details.Answered).toBe("never");
    expect(details.Result).toBe(op.type === "ok" ? JSON.stringify(op.output) : undefined);
    expect(details.Error).toBe(op.type === "ok" ? undefined : op.error);
  });
});

it("finds the operation that an event belongs to", () => {
  for (const [row, op] of history.client.entries()) expect(model.rowOfEvent(op.invokeIndex)).toBe(row);
});

it("lays clients out by thread, and nodes so that nothing overlaps", () => {
  expect(model.lanes("client").map(({ label }) => label)).toEqual(["client 0", "client 1", "client 2"]);
  expect(model.lanes("node").map(({ label }) => label)).toEqual(["n1", "", "n2"]);
  for (const by of ["client", "node"] as const) {
    const lanes = model.lanes(by);
    const rows = lanes.flatMap((lane) => lane.rows);
    expect(rows.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
    for (const lane of lanes) {
      for (let i = 1; i < lane.rows.length; i++) {
        const [before, after] = [lane.rows[i - 1] as number, lane.rows[i] as number];
        expect(model.until[before]).toBeLessThanOrEqual(model.from[after] as number);
      }
    }
  }
});

it("filters by everything at once", () => {
  expect(model.matches(anything)).toEqual([0, 1, 2, 3, 4]);
  expect(model.matches({ ...anything, f: data.functions.indexOf("write") })).toEqual([0, 3]);
  expect(model.matches({ ...anything, type: 2 })).toEqual([1, 2, 4]);
  expect(model.matches({ ...anything, node: 0, key: "y" })).toEqual([2, 3]);
  expect(model.matches({ ...anything, process: "12" })).toEqual([4]);
  expect(model.matches({ ...anything, text: "REVISION" })).toEqual([0]);
  expect(model.matches({ ...anything, text: "refused", type: 0 })).toEqual([]);
});

it("says who was down, and until when", () => {
  expect(data.spans).toEqual([{ fault: 0, from: 5_000, until: 9_000, text: "n2 was killed", down: [1] }]);
});
