import { describe, expect, it } from "vitest";
import type { Anomaly, Verdict } from "../src/checker.ts";
import type { ClusterEvent } from "../src/cluster.ts";
import { parseHistory } from "../src/history/notation.ts";
import type { Op } from "../src/history/op.ts";
import { type PlanInput, parsePlan } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import type { RunResult } from "../src/result.ts";
import { run } from "../src/runner/run.ts";
import type { FinishedRun } from "../src/store/run-directory.ts";
import { faultSpans } from "./fault-spans.ts";
import { membersOf, reigns } from "./leadership.ts";
import { type Story, strongest, tellStory } from "./story.ts";

function story(finished: FinishedRun): Story | undefined {
  const spans = faultSpans(finished.history);
  const end = finished.history.events.at(-1)?.time ?? 0;
  return tellStory(finished, {
    spans,
    nodes: membersOf(finished, spans),
    reigns: reigns(finished, spans, end),
  });
}

function told(of: Story | undefined, title: string): string {
  return of?.chapters.find((chapter) => chapter.title === title)?.sentences.join(" ") ?? "";
}

async function real(input: PlanInput): Promise<FinishedRun> {
  const plan = parsePlan(input);
  const events: Op[] = [];
  const done = await run(assemble(plan), { messages: true, record: (event) => events.push(event) });
  const { history, trace, messages, result } = done;
  return { plan, history, torn: false, trace, messages, result };
}

function anomaly(name: string, witness: readonly number[], guarantee = "linearizability"): Anomaly {
  return { name, guarantee, explanation: `${name} it is`, witness };
}

function invalid(checker: string, ...anomalies: Anomaly[]): Verdict {
  return { checker, validity: "invalid", reason: "broken", checked: 1, anomalies };
}

/** A run made by hand. Trace: "3 n1 leader 2", at 3 s n1 becomes leader of term 2. */
function made(history: string, trace: string, verdicts: readonly Verdict[]): FinishedRun {
  const events: ClusterEvent[] = trace
    .trim()
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [time, node, role, term] = line.trim().split(" ");
      return {
        time: Number(time) * 1e9,
        node: node as string,
        kind: `become-${role}`,
        detail: { term: Number(term) },
      };
    });
  const result = { validity: "invalid", verdicts, nodeEnds: [] } as unknown as RunResult;
  return {
    plan: parsePlan({}),
    history: parseHistory(history),
    torn: false,
    trace: events,
    messages: [],
    result,
  };
}

const staleRead = `
  1s  nemesis invoke start-partition {}
  1s  nemesis ok     start-partition {"cut":["n1>n2","n1>n3","n2>n1","n3>n1"]}
  4s  0@n2    invoke write(x) 2
  5s  0@n2    ok     write(x)
  6s  1@n1    invoke read(x)
  6s  1@n1    ok     read(x) 1
  9s  nemesis invoke heal-partition
  9s  nemesis ok     heal-partition {"bites":7}`;
const deposed = `
  0 n1 leader 1
  0 n2 follower 1
  0 n3 follower 1
  3 n2 leader 2
  3 n3 follower 2
  8 n1 follower 2`;

describe("the story of a stale read from a deposed leader", () => {
  const found = story(
    made(staleRead, deposed, [invalid("linearizable", anomaly("stale read", [2, 3, 4, 5]))]),
  );

  it("says in short who was cut off, who led, and that both answered", () => {
    expect(told(found, "In short")).toBe(
      "While the network was cut between n1 and n2, n3, n1 took itself for the leader of term 1 and n2 for that of term 2, and clients of both were answered.",
    );
  });

  it("names the anomaly as the literature does, and what had been promised", () => {
    expect(found?.headline).toMatch(/^A promise was broken: .* \(stale read\)\.$/);
    expect(told(found, "The promise")).toContain("Herlihy and Wing");
  });

  it("says what each node believed when it answered", () => {
    const believed = told(found, "What the nodes believed");
    expect(believed).toContain("n1 of term 1 from 0.000 s until it gave up at 8.000 s");
    expect(believed).toContain(
      "When process 0's write was answered at 5.000 s, n2 took itself for the leader of term 2.",
    );
    expect(believed).toContain(
      "When process 1's read was answered at 6.000 s, n1 took itself for the leader of term 1.",
    );
  });

  it("names the fault in force", () => {
    expect(told(found, "What was broken at the time")).toBe(
      "From 1.000 s to 9.000 s, the network was cut between n1 and n2, n3 (partition).",
    );
  });

  it("shows the operations that prove it", () => {
    expect(found?.witness.map((op) => op.invokeIndex)).toEqual([2, 4]);
    expect([found?.from, found?.until]).toEqual([4e9, 6e9]);
  });
});

describe("the story says only what the data shows", () => {
  const verdicts = [invalid("linearizable", anomaly("stale read", [0, 1, 2, 3]))];
  const calm = `
    4s  0@n2 invoke write(x) 2
    5s  0@n2 ok     write(x)
    6s  1@n1 invoke read(x)
    6s  1@n1 ok     read(x) 1`;

  it("no belief without a trace, no second leader without one, no fault without a nemesis", () => {
    const found = story(made(calm, "", verdicts));
    expect(found?.chapters.map(({ title }) => title)).toEqual([
      "The promise",
      "What clients saw",
      "What was broken at the time",
    ]);
    expect(told(found, "What was broken at the time")).toBe("No fault was injected in this run.");
  });

  it("one leader is one leader", () => {
    const found = story(made(calm, "0 n1 leader 1\n0 n2 follower 1", verdicts));
    expect(told(found, "In short")).toBe("");
    expect(told(found, "What the nodes believed")).not.toContain("at the same time");
  });

  it("two leaders of whom one answered nobody do not explain it", () => {
    const history = staleRead
      .replace("1@n1    invoke read", "1@n3    invoke read")
      .replace("1@n1    ok", "1@n3    ok");
    const found = story(
      made(history, deposed, [invalid("linearizable", anomaly("stale read", [2, 3, 4, 5]))]),
    );
    expect(told(found, "In short")).toBe("");
    expect(told(found, "What the nodes believed")).toContain("no operation succeeded at nodes in term 1");
  });

  it("of two leaders in one term, each is its own side", () => {
    const found = story(
      made(staleRead, deposed.replaceAll(/ 2$/gm, " 1"), [
        invalid("linearizable", anomaly("stale read", [2, 3, 4, 5])),
      ]),
    );
    expect(told(found, "What the nodes believed")).toContain(
      "Meanwhile 1 operation succeeded at n1, and 1 operation succeeded at n2.",
    );
  });

  it("two leaders with whom the proof has nothing to do do not explain it", () => {
    const found = story(made(staleRead, deposed, [invalid("linearizable", anomaly("stale read", [2, 3]))]));
    expect(told(found, "In short")).toBe("");
    expect(told(found, "What the nodes believed")).toContain("at the same time");
  });

  it("a fault healed long before is said to be over", () => {
    const history = `
      1s  nemesis invoke start-kill {}
      1s  nemesis ok     start-kill {"nodes":["n1"]}
      2s  nemesis invoke heal-kill
      2s  nemesis ok     heal-kill {"bites":1}
      14s 0@n2 invoke read(x)
      15s 0@n2 ok     read(x) 1`;
    const found = story(made(history, "", [invalid("linearizable", anomaly("stale read", [4, 5]))]));
    expect(told(found, "What was broken at the time")).toBe(
      "No fault was in force; the last one before (kill) had been healed 12 s earlier.",
    );
  });

  it("an unknown anomaly is told in its checker's words", () => {
    const found = story(made(calm, "", [invalid("custom", anomaly("odd thing", [0, 1], "oddness"))]));
    expect(found?.headline).toBe("A promise was broken: oddness does not hold (odd thing).");
    expect(told(found, "What clients saw")).toContain("Odd thing it is.");
  });

  it("nothing is told where nothing is invalid", () => {
    expect(story(made(calm, "", [{ ...(verdicts[0] as Verdict), validity: "unknown" }]))).toBeUndefined();
    expect(story({ ...made(calm, "", []), result: undefined })).toBeUndefined();
  });
});

describe("the strongest anomaly", () => {
  const name = (...verdicts: Verdict[]): string | undefined => strongest(verdicts)?.anomaly.name;
  const inside = invalid("raft-invariants", anomaly("log-matching", [], "raft: log-matching"));
  const slow = invalid("liveness", anomaly("no recovery", [7], "liveness"));

  it("is what clients saw, then what broke inside, then what was slow", () => {
    expect(name(slow, inside, invalid("set", anomaly("stale read", [1])))).toBe("stale read");
    expect(name(slow, inside)).toBe("log-matching");
    expect(name(slow)).toBe("no recovery");
  });

  it("is the graver one, then the one with the shorter proof, then the earlier", () => {
    expect(name(invalid("a", anomaly("stale read", [1]), anomaly("lost update", [1, 2, 3])))).toBe(
      "lost update",
    );
    const found = strongest([
      invalid(
        "a",
        anomaly("stale read", [1, 2, 3]),
        anomaly("stale read", [8, 9]),
        anomaly("stale read", [4, 5]),
      ),
    ]);
    expect(found?.anomaly.witness).toEqual([4, 5]);
  });
});

describe("the story of a real run", () => {
  it("of a quorum that is too small tells of the split brain", async () => {
    const found = story(await real({ workload: "register", bug: "quorum-half", seed: 5, duration: 12 }));
    expect(found?.headline).toContain("split brain");
    expect(told(found, "In short")).toMatch(
      /^While the network was cut between .* and .*, n\d took itself for the leader of term 2 and n\d for that of term 3, and clients of both were answered\.$/,
    );
    expect(told(found, "Inside the cluster")).toContain("commit-durable");
    expect(JSON.stringify(found?.chapters)).not.toContain("quorum-half");
  });

  it("of a lock whose waiters skip the queue tells of two holders", async () => {
    const found = story(await real({ workload: "lock", bug: "lock-skips-queue", seed: 2, duration: 10 }));
    expect(found?.headline).toContain("two clients held the same lock");
    expect(found?.witness.every((op) => op.f === "acquire")).toBe(true);
    expect(told(found, "What was broken at the time")).not.toBe("");
  });
});
