import fc from "fast-check";
import { expect, it } from "vitest";
import type { MessageRecord } from "../src/result.ts";
import { frameAround } from "./spacetime.ts";

const MS = 1e6;

function message(what: string, sent: number, arrived: number | null = sent + 1): MessageRecord {
  return { from: "n1", to: "n2", what, sent: sent * MS, arrived: arrived === null ? null : arrived * MS };
}

it("shows a second where little was said, heartbeats and all", () => {
  const messages = Array.from({ length: 300 }, (_, i) =>
    message(i % 2 === 0 ? "heartbeat, term 2" : "txn", i * 10),
  );
  const frame = frameAround(messages, 1_500 * MS);
  expect(frame.until - frame.from).toBe(1_000 * MS);
  expect(frame.left).toBe(0);
  expect(frame.messages.every(({ sent }) => sent >= frame.from - MS && sent <= frame.until)).toBe(true);
});

it("leaves heartbeats out before it shortens the window, first those that arrived", () => {
  const quiet = Array.from({ length: 2_000 }, (_, i) => message("heartbeat, term 2", i / 2));
  const lost = Array.from({ length: 50 }, (_, i) => message("heartbeat, term 2", i * 20, null));
  const telling = Array.from({ length: 100 }, (_, i) => message("append 1, term 2", i * 10));
  const frame = frameAround([...quiet, ...lost, ...telling], 400 * MS);
  expect(frame.until - frame.from).toBe(1_000 * MS);
  expect(frame.messages.filter(({ what }) => what.startsWith("append"))).toHaveLength(100);
  expect(frame.messages.filter(({ arrived }) => arrived === null)).toHaveLength(50);
  expect(frame.left).toBe(2_000);
});

it("holds the moment and never too much, and loses count of nothing", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ at: fc.integer({ min: 0, max: 3_000 }), quiet: fc.boolean() }), {
        maxLength: 2_000,
      }),
      fc.integer({ min: 0, max: 3_000 }),
      (drawn, at) => {
        const messages = drawn.map((one) => message(one.quiet ? "alive, term 2" : "txn", one.at));
        const frame = frameAround(messages, at * MS);
        expect(frame.from).toBeLessThanOrEqual(at * MS);
        expect(frame.until).toBeGreaterThan(at * MS);
        expect(frame.messages.length).toBeLessThanOrEqual(400);
        const inside = (time: number | null): boolean =>
          time !== null && time >= frame.from && time <= frame.until;
        const within = messages.filter(({ sent, arrived }) => inside(sent) || inside(arrived)).length;
        expect(frame.messages.length + frame.left).toBe(within);
      },
    ),
    { seed: 22, numRuns: 100 },
  );
});

it("shows a message that was held back for long at both of its ends, and nowhere between", () => {
  const held = [message("append 7, term 2", 1_000, 9_000)];
  for (const [at, seen] of [
    [1_000, 1],
    [5_000, 0],
    [9_000, 1],
  ] as const)
    expect(frameAround(held, at * MS).messages).toHaveLength(seen);
});
