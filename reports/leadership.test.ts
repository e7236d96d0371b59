import { describe, expect, it } from "vitest";
import type { ClusterEvent } from "../src/cluster.ts";
import { parseHistory } from "../src/history/notation.ts";
import type { MessageRecord } from "../src/result.ts";
import { faultSpans } from "./fault-spans.ts";
import { Beliefs, doubleReigns, reigns } from "./leadership.ts";

const SECOND = 1e9;

/** "3 n1 leader 2": at 3 s n1 becomes leader of term 2. */
function trace(text: string): ClusterEvent[] {
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const [time, node, role, term] = line.trim().split(" ");
      const kind = role === "crash" ? "crash" : `become-${role}`;
      return { time: Number(time) * SECOND, node: node as string, kind, detail: { term: Number(term) } };
    });
}

const reign = (events: ClusterEvent[], messages: MessageRecord[] = []) =>
  reigns({ trace: events, messages }, [], 100 * SECOND);

describe("a reign", () => {
  it("ends when the node takes another role, crashes, or the run is over", () => {
    const all = reign(
      trace(`
        1 n1 leader 2
        2 n2 candidate 3
        3 n1 follower 3
        3 n2 leader 3
        5 n2 crash 0
        6 n3 leader 4`),
    );
    expect(all.map(({ node, until, end }) => [node, until / SECOND, end])).toEqual([
      ["n1", 3, "gave up"],
      ["n2", 5, "ended"],
      ["n3", 100, "end of run"],
    ]);
  });

  it("ends when a fault takes the process down, but not when it is merely frozen", () => {
    const spans = faultSpans(
      parseHistory(`
        2s nemesis invoke start-pause {}
        2s nemesis ok     start-pause {"nodes":["n1"]}
        4s nemesis invoke start-kill {}
        4s nemesis ok     start-kill {"nodes":["n1","n3"]}
      `),
    );
    const [first] = reigns({ trace: trace("1 n1 leader 2"), messages: [] }, spans, 9 * SECOND);
    expect(first).toMatchObject({ until: 4 * SECOND, end: "taken down" });
  });

  it("ends with the last message of the leader, where messages were seen", () => {
    const message = (what: string, sent: number): MessageRecord => ({
      from: "n1",
      to: "n2",
      what,
      sent: sent * SECOND,
      arrived: null,
    });
    const messages = [
      message("vote for me, term 2", 0),
      message("heartbeat, term 2", 3),
      message("append 4..6, term 2", 5),
      message("has 9, term 3", 50),
    ];
    expect(reign(trace("1 n1 leader 2"), messages)[0]).toMatchObject({
      until: 5 * SECOND,
      end: "fell silent",
    });
    expect(reign(trace("1 n1 leader 2"), messages.slice(0, 1))[0]?.end).toBe("end of run");
  });
});

it("finds two leaders at once, the older term first", () => {
  const all = reign(
    trace(`
      1 n1 leader 2
      4 n2 leader 3
      6 n1 follower 3
      7 n3 leader 4
      7 n2 follower 4`),
  );
  expect(
    doubleReigns(all).map(({ older, newer, from, until }) => [older.node, newer.node, from, until]),
  ).toEqual([["n1", "n2", 4 * SECOND, 6 * SECOND]]);
});

describe("belief", () => {
  const events = trace(`
    1 n1 leader 2
    1 n2 follower 2
    4 n2 candidate 3
    5 n3 leader 3
    6 n2 follower 3`);
  const beliefs = new Beliefs(events, reign(events));

  it.each([
    ["n2", 0.5, undefined],
    ["n9", 5, undefined],
    ["n1", 9, { role: "leader", term: 2, leader: "n1" }],
    ["n2", 1, { role: "follower", term: 2, leader: "n1" }],
    ["n2", 4.5, { role: "candidate", term: 3, leader: undefined }],
    ["n2", 6, { role: "follower", term: 3, leader: "n3" }],
  ] as const)("of %s at %d s", (node, second, expected) => {
    expect(beliefs.of(node, second * SECOND)).toEqual(expected);
  });

  it("names no leader for a term that two nodes won", () => {
    const both = trace(`
      1 n1 leader 2
      2 n2 leader 2
      3 n3 follower 2`);
    expect(new Beliefs(both, reign(both)).of("n3", 4 * SECOND)?.leader).toBeUndefined();
  });
});
