import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Budget, type Verdict } from "../src/checker.ts";
import { History } from "../src/history/history.ts";
import type { Op } from "../src/history/op.ts";
import { MILLISECOND } from "../src/runtime/runtime.ts";
import { watchChecker } from "./watch.ts";
import type {
  Change,
  ObservedEvent,
  ObservedResponse,
  ObservedVersion,
  WatchRequest,
  WatchSignature,
} from "./watch-signature.ts";

/** A store that remembers all its changes, and the history of those who use it. */
class Store {
  readonly events: Op<WatchSignature>[] = [];
  /** All changes, by revision. */
  readonly log: ObservedEvent[][] = [];
  readonly #state = new Map<string, ObservedVersion>();
  #process = 0;
  revision = 1;

  /** Runs an operation to its end by a process of its own; returns the index of the completion. */
  operation(
    f: string,
    input: unknown,
    ending: { type: "ok"; value: unknown } | { type: "info" | "fail" },
    process = this.#process++,
  ): number {
    const base = { f, process, node: `n${(process % 3) + 1}` };
    const event = (fields: object) =>
      this.events.push({
        ...base,
        ...fields,
        index: this.events.length,
        time: this.events.length * MILLISECOND,
      } as never);
    event({ type: "invoke", value: input });
    const error = ending.type === "ok" ? {} : { value: input, error: "timeout" };
    return event({ ...ending, ...error }) - 1;
  }

  /** Changes several keys; the outcome is told, or stays unknown. */
  write(changes: readonly Change[], told = true): number {
    const deleted: string[] = [];
    const made: ObservedEvent[] = [];
    const revision = this.revision + 1;
    for (const change of changes) {
      const before = this.#state.get(change.key);
      const previous = before === undefined ? {} : { previous: before };
      if (change.type === "delete") {
        if (before === undefined) continue;
        deleted.push(change.key);
        this.#state.delete(change.key);
        made.push({
          type: "delete",
          key: change.key,
          value: "",
          created: 0,
          revision,
          version: 0,
          ...previous,
        });
      } else {
        const version: ObservedVersion = {
          value: change.value,
          created: before?.created ?? revision,
          revision,
          version: (before?.version ?? 0) + 1,
        };
        this.#state.set(change.key, version);
        made.push({ type: "put", key: change.key, ...version, ...previous });
      }
    }
    if (made.length > 0) {
      this.revision = revision;
      this.log.push(made);
    }
    if (!told) return this.operation("txn", { changes }, { type: "info" });
    return this.operation("txn", { changes }, { type: "ok", value: { revision: this.revision, deleted } });
  }

  put(key: string, value: string, told = true): number {
    return this.write([{ type: "put", key, value }], told);
  }

  remove(key: string, told = true): number {
    return this.write([{ type: "delete", key }], told);
  }

  compact(revision: number): number {
    return this.operation("compact", { revision }, { type: "ok", value: { revision } });
  }

  /** Records a watch; returns the index of its completion. */
  watch(request: Partial<WatchRequest>, responses: readonly ObservedResponse[], until = 0): number {
    const input = {
      watches: [{ ...ALL, ...request }],
      lifetime: 1,
      ask: [],
      until,
      continues: false,
      keep: false,
    };
    return this.operation("watch", input, {
      type: "ok",
      value: { watches: [{ responses, ended: "lifetime over" }] },
    });
  }

  /** The changes from revision `from` to `to`, both included, as a watch asking for `request` gets them. */
  changes(from: number, to: number, request: WatchRequest = ALL): readonly (readonly ObservedEvent[])[] {
    return this.log
      .filter(([first]) => first !== undefined && first.revision >= from && first.revision <= to)
      .map((made) =>
        made
          .filter(({ key }) =>
            request.end === "" ? key === request.key : key >= request.key && key < request.end,
          )
          .filter(({ type }) => !request.filters.includes(type === "put" ? "no-put" : "no-delete"))
          .map(({ previous, ...event }) =>
            request.previous && previous !== undefined ? { ...event, previous } : event,
          ),
      )
      .filter((made) => made.length > 0);
  }

  get verdict(): Verdict {
    return watchChecker.check(new History(this.events), new Budget(0));
  }

  /** Name, guarantee and witness of each anomaly. */
  get found(): readonly (readonly [name: string, guarantee: string, witness: readonly number[]])[] {
    return this.verdict.anomalies.map(({ name, guarantee, witness }) => [name, guarantee, witness]);
  }
}

const ALL: WatchRequest = {
  key: "a",
  end: "z",
  start: 1,
  previous: true,
  progress: false,
  fragment: false,
  filters: [],
};

function response(kind: ObservedResponse["kind"], revision: number, fields: Partial<ObservedResponse> = {}) {
  return { kind, at: 0, revision, events: [], fragment: false, compactRevision: 0, ...fields };
}

function created(revision: number): ObservedResponse {
  return response("created", revision);
}

function delivered(events: readonly ObservedEvent[], fragment = false): ObservedResponse {
  return response("events", events.at(-1)?.revision ?? 0, { events, fragment });
}

function bookmark(revision: number): ObservedResponse {
  return response("progress", revision);
}

function compacted(compactRevision: number): ObservedResponse {
  return response("canceled", 0, { compactRevision });
}

/** put a, put b, delete a, txn (a and b): revisions 2 to 5, events 0 to 7. */
function example(): Store {
  const store = new Store();
  store.put("a", "v1");
  store.put("b", "v2");
  store.remove("a");
  store.write([
    { type: "put", key: "b", value: "v3" },
    { type: "put", key: "a", value: "v4" },
  ]);
  return store;
}

/** One response for each revision from `from` to `to`. */
function deliver(store: Store, from: number, to: number): ObservedResponse[] {
  return store.changes(from, to).map((events) => delivered(events));
}

describe("watch checker", () => {
  it("accepts the whole history, one revision per response or all in one", () => {
    const store = example();
    store.watch({}, [created(5), ...deliver(store, 2, 5), bookmark(5)]);
    store.watch({}, [created(5), delivered(store.changes(2, 5).flat())]);
    expect(store.verdict).toMatchObject({ validity: "valid", checked: 2, evidence: { events: 10 } });
  });

  it("filter: names an event of another key, and one of a kind not wanted", () => {
    const store = example();
    const watch = store.watch({ key: "b", end: "" }, [created(5), ...deliver(store, 2, 3)]);
    expect(store.found).toEqual([["event outside the filter", "watch: filter", [watch]]]);
    const other = example();
    const filtered = other.watch({ filters: ["no-delete"] }, [created(5), ...deliver(other, 2, 4)]);
    expect(other.found).toEqual([["event outside the filter", "watch: filter", [filtered]]]);
  });

  it("ordered: names revisions and operations that change places", () => {
    const store = example();
    const [two, three, four] = deliver(store, 2, 4) as [ObservedResponse, ObservedResponse, ObservedResponse];
    const watch = store.watch({}, [created(5), two, four, three]);
    expect(store.found).toEqual([["event out of order", "watch: ordered", [watch]]]);
    const other = example();
    const [b, a] = other.changes(5, 5)[0] as [ObservedEvent, ObservedEvent];
    const swapped = other.watch({ start: 5 }, [created(5), delivered([a, b])]);
    expect(other.found).toEqual([["event out of order", "watch: ordered", [7, swapped]]]);
  });

  it("unique: names a repetition, at once or after others", () => {
    for (const repeated of [2, 4]) {
      const store = example();
      const again = deliver(store, repeated, repeated);
      const watch = store.watch({}, [created(5), ...deliver(store, 2, 4), ...again]);
      expect(store.found).toEqual([["duplicate event", "watch: unique", [watch]]]);
    }
  });

  it("atomic: names a revision split over responses, but not over fragments", () => {
    const split = (fragment: boolean) => {
      const store = example();
      const [b, a] = store.changes(5, 5)[0] as [ObservedEvent, ObservedEvent];
      store.watch({ start: 5, fragment }, [created(5), delivered([b], fragment), delivered([a])]);
      return store.found;
    };
    expect(split(false)).toEqual([["revision split over responses", "watch: atomic", [9]]]);
    expect(split(true)).toEqual([]);
  });

  it("reliable: names an event missing between others, and one missing below a bookmark", () => {
    const gap = example();
    const watch = gap.watch({}, [created(5), ...deliver(gap, 2, 3), ...deliver(gap, 5, 5)]);
    expect(gap.found).toEqual([["missed event", "watch: reliable", [5, watch]]]);
    const silent = example();
    const idle = silent.watch({ start: 4 }, [created(5), bookmark(4)]);
    expect(silent.found).toEqual([["missed event", "watch: reliable", [5, idle]]]);
  });

  it("reliable: what comes after the last event or bookmark, or in the rest of a fragment, may still be on its way", () => {
    const store = example();
    store.watch({}, [created(5), ...deliver(store, 2, 4)]);
    const [b] = store.changes(5, 5)[0] as [ObservedEvent, ObservedEvent];
    store.watch({ start: 5, fragment: true }, [created(5), delivered([b], true)]);
    store.watch({}, [created(5)]);
    expect(store.verdict.validity).toBe("valid");
  });

  it("reliable: finds by the version that an unknown write was skipped, if one could be", () => {
    const skip = (told: "unknown" | "never") => {
      const store = new Store();
      store.put("a", "v1");
      if (told === "unknown") store.put("a", "v2", false);
      else store.log.push([]);
      store.revision = 3;
      const last = store.put("a", "v3");
      const events = store.changes(2, 4).flat();
      const bumped = events.map((e) => (e.revision === 4 ? { ...e, version: 3 } : e));
      const skipping = bumped.filter((e) => e.revision !== 3);
      const watch = store.watch({ previous: false }, [created(4), delivered(skipping.map(withoutPrevious))]);
      return { found: store.found, last, watch };
    };
    const unknown = skip("unknown");
    expect(unknown.found).toEqual([["missed event", "watch: reliable", [1, unknown.watch]]]);
    const never = skip("never");
    expect(never.found).toEqual([["wrong create flag", "watch: isCreate", [1, never.watch]]]);
  });

  it("resumable: names what is missing at the start", () => {
    const store = example();
    const watch = store.watch({ start: 3 }, [created(5), ...deliver(store, 4, 5)]);
    expect(store.found).toEqual([["missed event", "watch: resumable", [3, watch]]]);
  });

  it("never before its start: names events and bookmarks from before, for a watch from the past, now and the future", () => {
    for (const [start, revision] of [
      [4, 5],
      [0, 3],
      [9, 5],
    ] as const) {
      const store = example();
      const watch = store.watch({ start }, [created(revision), ...deliver(store, 3, 3)]);
      expect(store.found[0]).toEqual(["event before the start", "watch: never before its start", [watch]]);
    }
    const early = example();
    const watch = early.watch({ start: 55 }, [created(5), bookmark(5)]);
    expect(early.found).toEqual([["bookmark before the start", "watch: never before its start", [watch]]]);
    const next = example();
    next.watch({ start: 6 }, [created(5), bookmark(5)]);
    expect(next.found).toEqual([]);
  });

  it("bookmarkable: names events behind a bookmark, and bookmarks that go back", () => {
    const ahead = example();
    const watch = ahead.watch({ start: 4 }, [created(5), bookmark(5), ...deliver(ahead, 4, 4)]);
    expect(ahead.found[0]).toEqual(["event behind a bookmark", "watch: bookmarkable", [watch]]);
    for (const [first, second] of [
      [bookmark(5), bookmark(4)],
      [bookmark(5), bookmark(3)],
    ] as const) {
      const back = example();
      const turned = back.watch({}, [created(5), ...deliver(back, 2, 5), first, second]);
      expect(back.found).toEqual([["bookmark went back", "watch: bookmarkable", [turned]]]);
    }
    const behind = example();
    const turned = behind.watch({}, [created(5), ...deliver(behind, 2, 5), bookmark(4)]);
    expect(behind.found).toEqual([["bookmark went back", "watch: bookmarkable", [turned]]]);
  });

  it("prevKV: names a wrong, a missing, an invented and an unasked previous value", () => {
    const spoilt = (revision: number, change: (event: ObservedEvent) => ObservedEvent, request = {}) => {
      const store = example();
      const spoil = (events: readonly ObservedEvent[]) =>
        events.map((e) => (e.revision === revision ? change(e) : e));
      store.watch({ end: "z", ...request }, [
        created(5),
        ...store.changes(2, 4).map((events) => delivered(spoil(events))),
      ]);
      return store.found;
    };
    const wrong = { value: "v9", created: 2, revision: 2, version: 1 };
    expect(spoilt(4, (e) => ({ ...e, previous: wrong }))).toEqual([
      ["wrong previous value", "watch: prevKV", [1, 9]],
    ]);
    expect(spoilt(4, withoutPrevious)).toEqual([["missing previous value", "watch: prevKV", [1, 9]]]);
    expect(spoilt(3, (e) => ({ ...e, previous: wrong }))).toEqual([
      ["wrong previous value", "watch: prevKV", [9]],
    ]);
    expect(spoilt(9, (e) => e, { previous: false })).toEqual([
      ["wrong previous value", "watch: prevKV", [9]],
    ]);
  });

  it("prevKV: accepts a missing previous value only where a compaction may have taken it", () => {
    const compactedAt = (compaction: number) => {
      const store = example();
      store.compact(compaction);
      store.watch({ start: 4 }, [created(5), delivered((store.changes(4, 4)[0] ?? []).map(withoutPrevious))]);
      return store.found.map(([name]) => name);
    };
    expect(compactedAt(4)).toEqual([]);
    expect(compactedAt(3)).toEqual(["missing previous value"]);
  });

  it("isCreate: names a put of an existing key that claims to create it, and the reverse", () => {
    for (const [revision, key, lie] of [
      [5, "b", { created: 5, version: 1 }],
      [5, "a", { created: 2, version: 2 }],
    ] as const) {
      const store = example();
      const events = store
        .changes(2, 5)
        .flat()
        .map((e) => (e.revision === revision && e.key === key ? { ...e, ...lie } : e));
      store.watch({ previous: false }, [created(5), delivered(events.map(withoutPrevious))]);
      expect(store.found.map(([name, guarantee]) => [name, guarantee])).toEqual([
        ["wrong create flag", "watch: isCreate"],
      ]);
    }
  });

  it("names the watch that contradicts the others", () => {
    const store = example();
    store.watch({}, [created(5), ...deliver(store, 2, 5)]);
    const lying = store.changes(2, 2).map((events) => delivered(events.map((e) => ({ ...e, value: "v2" }))));
    const watch = store.watch({}, [created(5), ...lying]);
    expect(store.found).toEqual([["divergent event", "watch: same events everywhere", [1, watch]]]);
  });

  it("names events nobody caused: in a revision of others, of a value never put, of a failed write", () => {
    const alien = (event: Partial<ObservedEvent>) => {
      const store = example();
      store.operation("put", { key: "c", value: "v8" }, { type: "fail" });
      const base = { type: "put", key: "c", value: "v9", created: 6, revision: 6, version: 1 } as const;
      const watch = store.watch({ start: 0 }, [
        created(1),
        ...deliver(store, 2, 5),
        delivered([{ ...base, ...event }]),
      ]);
      return store.found.map(([name, , witness]) => [name, witness.includes(watch)]);
    };
    expect(alien({})).toEqual([["phantom event", true]]);
    expect(alien({ value: "v8" })).toEqual([["phantom event", true]]);
    expect(alien({ revision: 5, created: 5 })[0]).toEqual(["phantom event", true]);
  });

  it("names a write that was applied twice, and two writes that share a revision", () => {
    const twice = new Store();
    twice.put("a", "v1", false);
    twice.put("a", "v1", false);
    twice.watch({}, [created(3), ...deliver(twice, 2, 3)]);
    expect(twice.found.map(([name]) => name)).toEqual(["write applied twice"]);
    const shared = new Store();
    shared.operation("put", { key: "a", value: "v1" }, { type: "ok", value: { revision: 2 } });
    shared.operation("put", { key: "b", value: "v2" }, { type: "ok", value: { revision: 2 } });
    expect(shared.found.map(([name]) => name)).toEqual(["shared revision"]);
  });

  it("takes part in the log what only one watch saw, and expects it of the others", () => {
    const store = new Store();
    store.put("a", "v1");
    store.put("a", "v2", false);
    store.put("b", "v3");
    const saw = store.watch({}, [created(4), ...deliver(store, 2, 4)]);
    const missed = store.watch({}, [created(4), ...deliver(store, 2, 2), ...deliver(store, 4, 4)]);
    expect(store.found).toEqual([["missed event", "watch: reliable", [saw, missed]]]);
  });

  it("learns from a previous value that a write of unknown outcome took effect", () => {
    const revealed = (first: number) => {
      const store = new Store();
      store.put("b", "v1");
      store.put("b", "v2", false);
      store.remove("b");
      const watch = store.watch({ start: first }, [
        created(4),
        ...deliver(store, first, 2),
        ...deliver(store, 4, 4),
      ]);
      return { found: store.found, watch };
    };
    expect(revealed(4).found).toEqual([]);
    const { found, watch } = revealed(2);
    expect(found).toEqual([["missed event", "watch: reliable", [watch]]]);
  });

  it("follows a watch over several operations of its process", () => {
    const follow = (continues: boolean, second: number) => {
      const store = example();
      const parts = [deliver(store, 2, 3), deliver(store, second, 5)];
      for (const [i, responses] of parts.entries()) {
        const input = {
          watches: [ALL],
          lifetime: 1,
          ask: [],
          until: 0,
          continues: continues && i > 0,
          keep: true,
        };
        const told = i === 0 || !continues ? [created(5), ...responses] : responses;
        const value = { watches: [{ responses: told, ended: "" }] };
        store.operation("watch", input, { type: "ok", value }, 99);
      }
      return store.found;
    };
    expect(follow(true, 4)).toEqual([]);
    expect(follow(true, 5)).toEqual([["missed event", "watch: reliable", [5, 11]]]);
    expect(follow(false, 4)).toEqual([
      ["missed event", "watch: resumable", [1, 11]],
      ["missed event", "watch: resumable", [3, 11]],
    ]);
  });

  it("follows watches of different pace and beginning over a thousand revisions", () => {
    const long = (missing: number) => {
      const store = new Store();
      for (let i = 0; i < 1_000; i++) store.put(i % 3 === 0 ? "a" : "b", `v${i}`);
      const [head] = [created(store.revision)];
      store.watch({}, [head, delivered(store.changes(2, 1_001).flat())]);
      store.watch({ start: 700 }, [head, ...deliver(store, 700, 1_001)]);
      store.watch({ key: "b", end: "" }, [
        head,
        bookmark(2),
        delivered(
          store
            .changes(3, 1_001)
            .flat()
            .filter(({ key }) => key === "b"),
        ),
      ]);
      store.watch({}, [head, ...deliver(store, 2, missing - 1), ...deliver(store, missing + 1, 1_001)]);
      return store.found.map(([name, , [proof]]) => [name, proof]);
    };
    expect(long(1_002)).toEqual([]);
    expect(long(300)).toEqual([["missed event", 2 * (300 - 2) + 1]]);
  });

  it("tells how long events took, of those whose watch was open when they were written", () => {
    const store = new Store();
    store.put("a", "v1");
    const watch = {
      watches: [{ ...ALL, start: 1 }],
      lifetime: 1,
      ask: [],
      until: 0,
      continues: false,
      keep: true,
    };
    store.operation(
      "watch",
      watch,
      { type: "ok", value: { watches: [{ responses: [created(2)], ended: "" }] } },
      99,
    );
    // Written at 5 ms, delivered at 40 ms after the invocation at 6 ms.
    store.put("a", "v2");
    const responses = store.changes(2, 3).map((events) => ({ ...delivered(events), at: 40 * MILLISECOND }));
    const value = { watches: [{ responses, ended: "" }] };
    store.operation("watch", { ...watch, continues: true }, { type: "ok", value }, 99);
    expect(store.verdict.evidence).toMatchObject({
      delay: { count: 1, p50: 41, p90: 41, p99: 41, max: 41 },
    });
  });

  describe("compaction", () => {
    it("accepts the end of a watch that needs what is gone", () => {
      const store = example();
      store.compact(4);
      store.watch({ start: 2 }, [created(5), compacted(4)]);
      store.watch({}, [created(5), ...deliver(store, 2, 2), compacted(4)]);
      store.watch({ start: 4 }, [created(5), ...deliver(store, 4, 5)]);
      expect(store.verdict).toMatchObject({ validity: "valid", evidence: { compacted: 2 } });
    });

    it("names the loss of a delete at the compact revision", () => {
      const store = example();
      store.compact(4);
      const watch = store.watch({ start: 4 }, [created(5), ...deliver(store, 5, 5)]);
      expect(store.found).toEqual([["missed event", "watch: resumable", [5, watch]]]);
    });

    it("names an end that was not needed, and one by a compaction nobody asked for", () => {
      const needless = example();
      needless.compact(4);
      const watch = needless.watch({ start: 4 }, [created(5), compacted(4)]);
      const guarantee = "watch: ends with the right compaction error";
      expect(needless.found).toEqual([["needless cancellation", guarantee, [watch]]]);
      const false_ = example();
      const other = false_.watch({ start: 2 }, [created(5), compacted(4)]);
      expect(false_.found).toEqual([["false compaction", guarantee, [other]]]);
    });
  });

  it("does not know when nothing was delivered, or when a last watch did not reach the end", () => {
    expect(new Store().verdict.validity).toBe("unknown");
    const silent = example();
    silent.watch({}, [created(5)]);
    expect(silent.verdict.validity).toBe("unknown");
    const behind = example();
    behind.watch({}, [created(5), ...deliver(behind, 2, 4)], 5);
    expect(behind.verdict).toMatchObject({ validity: "unknown", anomalies: [] });
    const level = example();
    level.watch({}, [created(5), ...deliver(level, 2, 4), ...deliver(level, 5, 5)], 5);
    expect(level.verdict.validity).toBe("valid");
  });
});

function withoutPrevious({ previous: _, ...event }: ObservedEvent): ObservedEvent {
  return event;
}

/** Random writes on keys b to f, some of unknown outcome. */
function randomStore(random: (bound: number) => number, told = false): Store {
  const store = new Store();
  let values = 0;
  const keys = ["b", "c", "d", "e", "f"];
  const length = 4 + random(25);
  for (let i = 0; i < length; i++) {
    const first = random(keys.length);
    const count = random(3) === 0 ? 2 + random(2) : 1;
    const changes = Array.from({ length: count }, (_, nth): Change => {
      const key = keys[(first + nth) % keys.length] as string;
      return random(3) === 0 ? { type: "delete", key } : { type: "put", key, value: `v${values++}` };
    });
    store.write(changes, random(5) > 0 || told);
  }
  return store;
}

/** What a correct node could tell a watch: responses of one or more revisions, fragments, bookmarks, and a break. */
function observe(store: Store, request: WatchRequest, random: (bound: number) => number): ObservedResponse[] {
  const now = request.start === 0 ? random(store.revision) + 1 : store.revision;
  const first = request.start === 0 ? now + 1 : request.start;
  const last = Math.max(first, store.revision - random(3));
  const responses: ObservedResponse[] = [created(now)];
  let batch: ObservedEvent[] = [];
  const flush = (): void => {
    if (batch.length === 0) return;
    const cut = request.fragment && batch.length > 1 ? 1 + random(batch.length - 1) : 0;
    if (cut > 0) responses.push(delivered(batch.slice(0, cut), true));
    responses.push(delivered(batch.slice(cut)));
    batch = [];
  };
  for (let revision = first; revision <= last; revision++) {
    batch.push(...store.changes(revision, revision, request).flat());
    if (random(3) > 0) flush();
    if (batch.length === 0 && random(4) === 0 && revision <= store.revision)
      responses.push(bookmark(revision));
  }
  flush();
  return responses;
}

function drawRequest(store: Store, random: (bound: number) => number): WatchRequest {
  const [key, end] = [
    ["b", "g"],
    ["b", "\xff"],
    ["c", "e"],
    ["d", ""],
  ][random(4)] as [string, string];
  return {
    key,
    end,
    start: [0, 1, random(store.revision) + 1, store.revision + 1][random(4)] as number,
    previous: random(2) === 0,
    progress: false,
    fragment: random(3) === 0,
    filters: ([[], [], ["no-put"], ["no-delete"]] as const)[random(4)] as WatchRequest["filters"],
  };
}

/** Draws from fast-check's own stream, so that failures shrink and repeat. */
const draws = fc.array(fc.nat(1_000_000), { minLength: 400, maxLength: 400 }).map((numbers) => {
  let next = 0;
  return (bound: number) => (numbers[next++ % numbers.length] as number) % bound;
});

/** The definition, word for word: whether these responses are right for a log of acknowledged writes alone. */
function isCorrect(store: Store, request: WatchRequest, responses: readonly ObservedResponse[]): boolean {
  const now = responses[0]?.revision ?? 0;
  const first = request.start === 0 ? now + 1 : request.start;
  const owed = store.changes(first, Number.POSITIVE_INFINITY, request).flat();
  let next = 0;
  let bookmarked = first - 1;
  let open = 0;
  for (const { kind, events, revision, fragment } of responses) {
    if (kind === "progress") {
      if (revision < bookmarked || revision < (owed[next - 1]?.revision ?? 0)) return false;
      if ((owed[next]?.revision ?? Number.POSITIVE_INFINITY) <= revision) return false;
      bookmarked = revision;
      open = 0;
    }
    if (kind !== "events") continue;
    for (const [i, event] of events.entries()) {
      const sameAsBefore = i === 0 && event.revision === owed[next - 1]?.revision;
      if (sameAsBefore && open !== event.revision) return false;
      if (event.revision <= bookmarked) return false;
      if (JSON.stringify(event) !== JSON.stringify(owed[next++])) return false;
    }
    open = fragment ? (events.at(-1)?.revision ?? 0) : 0;
  }
  const last = owed[next - 1]?.revision ?? 0;
  return open === last || owed[next]?.revision !== last;
}

/** A response left out, repeated, moved, cut, taken for a fragment, or with another revision. */
function mutated(
  responses: readonly ObservedResponse[],
  random: (bound: number) => number,
): ObservedResponse[] {
  if (responses.length < 2) return [...responses];
  const at = 1 + random(responses.length - 1);
  const it = responses[at] as ObservedResponse;
  const replaced = (...others: ObservedResponse[]) => responses.toSpliced(at, 1, ...others);
  const shifted = Math.max(1, it.revision + random(3) - 1);
  return [
    () => replaced(),
    () => replaced(it, it),
    () => replaced().toSpliced(1 + random(responses.length - 1), 0, it),
    () => replaced({ ...it, events: it.events.slice(random(2), it.events.length) }),
    () => replaced({ ...it, events: it.events.slice(0, -1) }, { ...it, events: it.events.slice(-1) }),
    () => (it.kind === "events" ? replaced({ ...it, fragment: !it.fragment }) : [...responses]),
    () => (it.kind === "progress" ? replaced({ ...it, revision: shifted }) : [...responses]),
  ]
    [random(7)]?.()
    .filter(({ kind, events }) => kind !== "events" || events.length > 0) as ObservedResponse[];
}

describe("watch checker on random histories", () => {
  it("says the same as the definition", () => {
    const seen = { right: 0, wrong: 0 };
    fc.assert(
      fc.property(draws, (random) => {
        const store = randomStore(random, true);
        const request = { ...drawRequest(store, random), previous: true };
        let responses = observe(store, request, random);
        for (let i = random(3); i > 0; i--) responses = mutated(responses, random);
        const correct = isCorrect(store, request, responses);
        seen[correct ? "right" : "wrong"]++;
        store.watch(request, responses);
        expect(store.verdict.anomalies.length === 0).toBe(correct);
      }),
      { seed: 13, numRuns: 600 },
    );
    expect(Math.min(seen.right, seen.wrong)).toBeGreaterThan(100);
  });

  it("finds nothing wrong with what a correct node tells", () => {
    fc.assert(
      fc.property(draws, (random) => {
        const store = randomStore(random);
        for (let i = 0; i < 6; i++) {
          const request = drawRequest(store, random);
          store.watch(request, observe(store, request, random));
        }
        expect(store.verdict.anomalies).toEqual([]);
      }),
      { seed: 11, numRuns: 200 },
    );
  });

  const everything: WatchRequest = { ...ALL, start: 1 };

  /** A correct watch of everything, spoilt; the others are sound. Undefined: it cannot be spoilt in this way. */
  type Spoil = (
    revisions: readonly (readonly ObservedEvent[])[],
    at: number,
  ) => readonly ObservedResponse[] | undefined;

  const whole = (revisions: readonly (readonly ObservedEvent[])[]) =>
    revisions.map((events) => delivered(events));
  const altered = (
    revisions: readonly (readonly ObservedEvent[])[],
    at: number,
    change: (event: ObservedEvent) => ObservedEvent,
  ) =>
    whole(
      revisions.map((events, i) =>
        i === at ? [change(events[0] as ObservedEvent), ...events.slice(1)] : events,
      ),
    );

  const spoils: readonly (readonly [what: string, guarantees: readonly string[], spoil: Spoil])[] = [
    [
      "drops a revision",
      ["watch: reliable", "watch: resumable"],
      (revisions, at) =>
        at + 1 < revisions.length ? whole(revisions.filter((_, i) => i !== at)) : undefined,
    ],
    ["repeats a revision", ["watch: unique"], (revisions, at) => whole([...revisions, revisions[at] ?? []])],
    [
      "swaps two revisions",
      ["watch: ordered"],
      (revisions, at) => {
        const [a, b] = [revisions[at], revisions[at + 1]];
        return a && b && whole([...revisions.slice(0, at), b, a, ...revisions.slice(at + 2)]);
      },
    ],
    [
      "splits a revision",
      ["watch: atomic"],
      (revisions, at) => {
        const events = revisions[at] ?? [];
        if (events.length < 2) return undefined;
        const [first, ...rest] = events;
        return whole([...revisions.slice(0, at), [first as ObservedEvent], rest, ...revisions.slice(at + 1)]);
      },
    ],
    [
      "changes a previous value",
      ["watch: prevKV"],
      (revisions, at) =>
        altered(revisions, at, (event) => ({
          ...event,
          previous: { created: 1, revision: 1, version: 1, ...event.previous, value: "x" },
        })),
    ],
    [
      "puts a bookmark ahead",
      ["watch: bookmarkable"],
      (revisions, at) => {
        const responses = whole(revisions);
        return at === 0
          ? undefined
          : [...responses.slice(0, at), bookmark(responses[at]?.revision ?? 0), ...responses.slice(at)];
      },
    ],
    [
      "lies about the creation",
      ["watch: isCreate"],
      (revisions, at) =>
        revisions[at]?.[0]?.type === "put"
          ? altered(revisions, at, (event) => ({ ...event, version: event.version + 1 }))
          : undefined,
    ],
    [
      "changes a value",
      ["watch: same events everywhere"],
      (revisions, at) =>
        revisions[at]?.[0]?.type === "put"
          ? altered(revisions, at, (event) => ({ ...event, value: "x" }))
          : undefined,
    ],
  ];

  it.each(spoils)("notices when a node %s", (_, guarantees, spoil) => {
    let spoilt = 0;
    fc.assert(
      fc.property(draws, (random) => {
        const store = randomStore(random);
        const revisions = store.changes(1, store.revision, everything);
        fc.pre(revisions.length > 1);
        const responses = spoil(revisions, random(revisions.length));
        if (responses === undefined) return;
        spoilt++;
        for (let i = 0; i < 2; i++)
          store.watch(
            everything,
            observe(store, everything, () => 0),
          );
        const watch = store.watch(everything, [created(store.revision), ...responses]);
        const { anomalies } = store.verdict;
        expect(anomalies.length).toBeGreaterThan(0);
        for (const { guarantee, witness } of anomalies) {
          expect(guarantees).toContain(guarantee);
          expect(witness).toContain(watch);
          expect(witness.length).toBeLessThanOrEqual(2);
        }
      }),
      { seed: 12, numRuns: 60 },
    );
    expect(spoilt).toBeGreaterThan(10);
  });
});
