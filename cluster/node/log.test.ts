import { expect, it } from "vitest";
import { NodeLog } from "./log.ts";

it("keeps so many entries behind an index, unless they are too long", () => {
  const configuration = { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  const log = new NodeLog({ index: 10, term: 1, configuration }, () => {
    throw new Error("no state is asked for");
  });
  const entries = Array.from({ length: 20 }, (_, i) => ({
    index: 11 + i,
    term: 1,
    data: new Uint8Array(10),
  }));
  log.append(entries.map((entry) => ({ kind: "normal", ...entry })));
  expect(log.indexBehind(30, 5, 1000)).toBe(25);
  expect(log.indexBehind(30, 0, 1000)).toBe(30);
  expect(log.indexBehind(30, 5, 35)).toBe(27);
  expect(log.indexBehind(30, 5, 5)).toBe(30);
  // More than there are: nothing of the log is to go.
  expect(log.indexBehind(30, 50, 1000)).toBe(log.firstIndex - 1);
});
