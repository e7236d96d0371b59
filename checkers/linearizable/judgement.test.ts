import { describe, expect, it } from "vitest";
import { Budget } from "../../src/checker.ts";
import { historyOf } from "../../src/history/excerpt.ts";
import { History } from "../../src/history/history.ts";
import type { Op } from "../../src/history/op.ts";
import { type Random, seededRandom } from "../../src/runtime/random.ts";
import { asCalled, linearizable } from "../linearizable.ts";
import type { Translation } from "./parts.ts";
import { type AnyCall, type Subject, subjects } from "./testdata/subjects.ts";
import { eventsOf, tinyHistory } from "./testdata/tiny-history.ts";

const seed = 20_261_121;
const KEYS = 6;

/** Several tiny histories, each of a key of its own. */
function history(subject: Subject, random: Random): History {
  const events: Op[] = [];
  for (let key = 0; key < KEYS; key++) {
    const first = events.length;
    const own = eventsOf(tinyHistory(subject, random.fork(key), 7));
    for (const event of own)
      events.push({
        ...event,
        index: first + event.index,
        process: 100 * key + event.process,
        key: `k${key}`,
      });
  }
  return new History(events);
}

/** Every call is also one on an object that all keys have in common. */
const twice: Translation<never, AnyCall, never> = {
  calls: (operation) => {
    const call = asCalled<AnyCall>(operation) as never as { readonly input: AnyCall; readonly output: never };
    return [
      { object: (operation as { readonly key: string }).key, ...call },
      { object: "all", ...call },
    ];
  },
};

describe.each(["register", "kv", "set", "fifo queue"])("a judgement of a %s with help", (name) => {
  const subject = subjects.find((candidate) => candidate.name === name) as Subject;

  it.each([
    ["an object per key", asCalled<AnyCall>],
    ["objects that operations share", twice as never],
  ])("is that without help: %s", (_, translate) => {
    const checker = linearizable(subject.model, translate);
    const random = seededRandom(seed);
    const seen = { valid: 0, invalid: 0, unknown: 0, settled: 0 };
    for (let i = 0; i < 40; i++) {
      const whole = history(subject, random.fork(i));
      const steps = random.fork(i).pick([0, 10, 100, 1000, 10_000]);
      const judgement = checker.begin(whole, random.fork(i).pick([0, 50, 500]));
      for (const part of judgement.open) {
        // As between threads: nothing is shared, and nothing but data goes over.
        const excerpt = structuredClone(part.excerpt());
        const share = Math.floor(steps / judgement.size);
        judgement.settle(
          part.object,
          structuredClone(checker.settlement(historyOf(excerpt), part.object, share)),
        );
        seen.settled++;
      }
      const alone = checker.check(whole, new Budget(steps));
      expect(judgement.verdict(new Budget(steps))).toEqual(alone);
      seen[alone.validity]++;
    }
    expect(Math.min(seen.invalid, seen.settled)).toBeGreaterThan(5);
  });
});
