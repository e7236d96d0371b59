import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Command } from "./command.ts";
import { ErrCompacted } from "./errors.ts";
import { isWithin } from "./model.ts";
import type { DeleteRangeRequest, PutRequest, Revision, WatchCreateRequest, WatchEvent } from "./request.ts";
import { restore } from "./restoration.ts";
import { Store } from "./store.ts";
import { WatchHub, type WatchOutput } from "./watch.ts";

const put = (key: string, value = "1"): PutRequest => ({ kind: "put", key, value });
const del = (key: string): DeleteRangeRequest => ({ kind: "delete-range", key });
const txn = (...success: (PutRequest | DeleteRangeRequest)[]): Command => ({
  kind: "txn",
  compare: [],
  success,
  failure: [],
});
const MAX_EVENTS = 2;

/** What happens to a member and its watches, one after the other. */
type Action =
  | { readonly do: "apply"; readonly command: Command }
  | { readonly do: "compact"; readonly below: number }
  /** The member misses these, and then gets a snapshot. */
  | { readonly do: "miss"; readonly commands: readonly Command[] }
  /** `from` counts from the revision to come; undefined is "from now on". */
  | { readonly do: "watch"; readonly from: number | undefined; readonly request: WatchCreateRequest }
  | { readonly do: "cancel" | "drop" | "pause" | "resume"; readonly watch: number }
  | { readonly do: "ask" }
  | { readonly do: "tick" }
  | { readonly do: "drain"; readonly batches: number };

type Told = WatchOutput["response"];
/** A watch as its reader knows it. */
type Reader = {
  readonly request: WatchCreateRequest;
  readonly start: Revision;
  readonly told: Told[];
  /** Its own cancellation or its stream's end. */
  ended: boolean;
};

/** Plays a script, lets every reader read to the end, and says what was promised and not kept. */
function broken(script: readonly Action[], bug: string): string[] {
  const authority = new Store({ bug: "" });
  let member = new Store({ bug: "" });
  const hub = new WatchHub(member, { bug, maxEventsPerResponse: MAX_EVENTS });
  const history: (readonly WatchEvent[])[] = [[], []];
  const readers = new Map<number, Reader>();
  const complaints: string[] = [];

  const record = (command: Command): void => {
    const { events } = authority.apply(command);
    if (events.length > 0) history.push(events);
  };
  const apply = (command: Command): void => {
    record(command);
    hub.notify(member.apply(command));
  };
  const owed = (reader: Reader, to: Revision): WatchEvent[] =>
    history.slice(reader.start, to + 1).flatMap((events) => events.filter((event) => wants(reader, event)));
  const heard = (reader: Reader): WatchEvent[] => reader.told.flatMap((told) => told.events);
  const drain = (batches?: number): void => {
    for (const { id, response } of hub.drain(batches)) {
      const reader = readers.get(id);
      if (reader === undefined || reader.ended) complaints.push(`${id}: ${response.kind} after the end`);
      else reader.told.push(response);
      if (response.kind !== "progress" || reader === undefined) continue;
      for (const [other, peer] of readers) {
        // To the client, an answer it asked for is about all its stream's watches that it knows of.
        const concerned = reader.request.progressNotify === true ? peer === reader : isOfStream(peer);
        if (!concerned || peer.told.length === 0) continue;
        if (peer.ended || peer.told.some((told) => told.kind === "canceled")) continue;
        if (response.revision < peer.start - 1) complaints.push(`${other}: progress before its start`);
        if (heard(peer).length < owed(peer, response.revision).length) {
          complaints.push(`${other}: progress at ${response.revision} ahead of events`);
        }
      }
    }
  };

  for (const action of script) {
    const ids = [...readers.keys()];
    switch (action.do) {
      case "apply":
        apply(action.command);
        break;
      case "compact":
        apply({ kind: "compact", revision: authority.revision - action.below });
        break;
      case "miss":
        for (const command of action.commands) record(command);
        member = restore(authority.snapshot(1024), { bug: "" });
        hub.restored(member);
        break;
      case "watch": {
        const now = member.revision + 1;
        const start = action.from === undefined ? now : Math.max(1, now + action.from);
        const request = { ...action.request, startRevision: action.from === undefined ? 0 : start };
        readers.set(hub.create(request), { request, start, told: [], ended: false });
        break;
      }
      case "ask":
        hub.requestProgress(ids.filter((id) => isOfStream(readers.get(id)!)));
        break;
      case "tick":
        hub.tickProgress();
        break;
      case "drain":
        drain(action.batches);
        break;
      case "cancel":
      case "drop":
      case "pause":
      case "resume": {
        const id = ids[action.watch % ids.length];
        if (id === undefined) break;
        hub[action.do](id);
        if (action.do === "drop") readers.get(id)!.ended = true;
      }
    }
  }
  for (const id of readers.keys()) hub.resume(id);
  drain();
  if (hub.hasPending) complaints.push("more to drain after all was drained");

  for (const [id, reader] of readers) {
    for (const complaint of judge(reader, owed(reader, authority.revision), authority)) {
      complaints.push(`${id}: ${complaint}`);
    }
  }
  return complaints;
}

/** One stream has all the watches that want no notices of their own, so that one sees whom progress is for. */
function isOfStream({ request }: Reader): boolean {
  return request.progressNotify !== true;
}

function wants({ request }: Reader, { type, kv }: WatchEvent): boolean {
  const refused = type === "put" ? "no-put" : "no-delete";
  return isWithin(request.key, request.rangeEnd, kv.key) && request.filters?.includes(refused) !== true;
}

function judge({ request, start, told, ended }: Reader, owed: WatchEvent[], store: Store): string[] {
  const complaints: string[] = [];
  const canceled = told.find((response) => response.kind === "canceled");
  if (!ended && told[0]?.kind !== "created") complaints.push("not created first");
  if (canceled !== undefined && told[told.length - 1] !== canceled)
    complaints.push("told after cancellation");

  const events = told.flatMap((response) => response.events);
  const plain = (list: readonly WatchEvent[]) => list.map(({ type, kv }) => ({ type, kv }));
  if (!isDeepStrictEqual(plain(events), plain(owed.slice(0, events.length)))) {
    complaints.push("events are not those of the history");
  } else if (events.length < owed.length && canceled === undefined && !ended) {
    complaints.push(`${owed.length - events.length} events are missing`);
  }
  if (canceled !== undefined && canceled.compactRevision > 0) {
    if (canceled.compactRevision > store.compactRevision) complaints.push("canceled by a wrong revision");
    if (start >= canceled.compactRevision) complaints.push("canceled though nothing was compacted away");
  }
  events.forEach((event, i) => {
    const before = owed[i]?.prevKv;
    const compacted = event.kv.modRevision <= store.compactRevision && event.prevKv === undefined;
    if (!request.prevKv && event.prevKv !== undefined) complaints.push("previous value not asked for");
    if (request.prevKv && !compacted && !isDeepStrictEqual(event.prevKv, before)) {
      complaints.push("wrong previous value");
    }
  });

  let revision = 0;
  let inFragment = false;
  let last = 0;
  for (const response of told) {
    if (response.revision < revision) complaints.push("revision went back");
    revision = response.revision;
    if (response.kind !== "events") continue;
    const first = response.events[0]!.kv.modRevision;
    const final = response.events[response.events.length - 1]!.kv.modRevision;
    if (final > revision) complaints.push("events from the future");
    if (first === last && !inFragment) complaints.push("a revision split over two responses");
    if (inFragment && first !== last) complaints.push("a fragment that does not continue");
    if (response.fragment && request.fragment !== true) complaints.push("fragments not asked for");
    if (request.fragment === true && response.events.length > MAX_EVENTS) complaints.push("too large");
    inFragment = response.fragment;
    last = final;
  }
  if (inFragment && canceled === undefined && !ended) complaints.push("the last fragment is missing");
  return complaints;
}

const key = fc.constantFrom("a", "b", "c");
const write = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(key, fc.nat(9)).map(([name, n]) => put(name, `${n}`)) },
  { weight: 1, arbitrary: key.map(del) },
);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: write },
  {
    weight: 1,
    arbitrary: fc
      .uniqueArray(write, { minLength: 2, maxLength: 3, selector: (request) => request.key })
      .map((writes) => txn(...writes)),
  },
);
const flag = fc.boolean();
const request: fc.Arbitrary<WatchCreateRequest> = fc.record({
  key,
  rangeEnd: fc.constantFrom("", "c", "\0", "\0"),
  progressNotify: flag,
  prevKv: flag,
  fragment: flag,
  filters: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    fc.subarray<"no-put" | "no-delete">(["no-put", "no-delete"]),
  ),
});
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: command.map((c): Action => ({ do: "apply", command: c })) },
  { weight: 1, arbitrary: fc.nat(3).map((below): Action => ({ do: "compact", below })) },
  {
    weight: 1,
    arbitrary: fc.array(command, { maxLength: 4 }).map((commands): Action => ({ do: "miss", commands })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.option(fc.integer({ min: -6, max: 4 }), { nil: undefined, freq: 3 }), request)
      .map(([from, r]): Action => ({ do: "watch", from, request: r })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom("pause", "pause", "resume", "resume", "cancel", "drop"), fc.nat(9))
      .map(([what, watch]): Action => ({ do: what, watch })),
  },
  { weight: 1, arbitrary: fc.constant<Action>({ do: "ask" }) },
  { weight: 1, arbitrary: fc.constant<Action>({ do: "tick" }) },
  { weight: 3, arbitrary: fc.nat(3).map((batches): Action => ({ do: "drain", batches })) },
);
const scripts = fc.array(action, { maxLength: 40, size: "max" });

function told(hub: WatchHub): [number, Told["kind"], ...string[]][] {
  return hub
    .drain()
    .map(({ id, response }) => [
      id,
      response.kind,
      ...response.events.map(({ kv }) => kv.key + kv.modRevision),
    ]);
}

describe("a watch", () => {
  it("delivers the history it asked for, whatever happens to its reader and its member", () => {
    fc.assert(
      fc.property(scripts, (script) => {
        expect(broken(script, "")).toEqual([]);
      }),
      { seed: 20260801, numRuns: 1000 },
    );
  });

  it("is told of a change as it happens, beside its peers, in one response a revision", () => {
    const store = new Store({ bug: "" });
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 1 });
    const [one, all, other] = [
      hub.create({ key: "b" }),
      hub.create({ key: "a", rangeEnd: "\0" }),
      hub.create({ key: "x" }),
    ];
    hub.notify(store.apply(txn(put("a"), put("b"), put("c"))));
    hub.notify(store.apply(put("b")));
    expect(told(hub)).toEqual([
      [one, "created"],
      [all, "created"],
      [other, "created"],
      [one, "events", "b2"],
      [all, "events", "a2", "b2", "c2"],
      [one, "events", "b3"],
      [all, "events", "b3"],
    ]);
    expect(hub.hasPending).toBe(false);
  });

  it("gets large revisions in marked fragments if it can take them", () => {
    const store = new Store({ bug: "" });
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 2 });
    hub.create({ key: "a", rangeEnd: "\0", fragment: true });
    hub.notify(store.apply(txn(put("a"), put("b"), put("c"), put("d"), put("e"))));
    const pieces = hub.drain().slice(1);
    expect(pieces.map(({ response }) => [response.events.length, response.fragment])).toEqual([
      [2, true],
      [2, true],
      [1, false],
    ]);
  });

  it("may begin at the compact revision, and is canceled below it", () => {
    const store = new Store({ bug: "" });
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 10 });
    for (const command of [put("a"), put("a"), del("a"), put("b")]) hub.notify(store.apply(command));
    hub.notify(store.apply({ kind: "compact", revision: 4 }));
    const at = hub.create({ key: "a", startRevision: 4 });
    const below = hub.create({ key: "a", startRevision: 3 });
    const [, , first, second] = hub.drain();
    expect(first).toMatchObject({ id: at, response: { kind: "events", events: [{ type: "delete" }] } });
    expect(second).toEqual({
      id: below,
      response: {
        kind: "canceled",
        revision: 5,
        events: [],
        fragment: false,
        requested: false,
        compactRevision: 4,
        cancelReason: "",
      },
    });
  });

  it("that is up to date outlives compactions", () => {
    const store = new Store({ bug: "" });
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 10 });
    const id = hub.create({ key: "a" });
    for (let revision = 2; revision < 6; revision++) {
      hub.notify(store.apply(put("z")));
      hub.notify(store.apply({ kind: "compact", revision }));
    }
    hub.notify(store.apply(put("a")));
    expect(told(hub)).toEqual([
      [id, "created"],
      [id, "events", "a6"],
    ]);
  });

  it.each([
    ["of an empty interval", { key: "b", rangeEnd: "a" }, "mvcc: watcher range is empty"],
    ["of an interval that ends where it begins", { key: "b", rangeEnd: "b" }, "mvcc: watcher range is empty"],
    ["from a negative revision", { key: "b", startRevision: -1 }, ErrCompacted.message],
  ])("%s is created and canceled", (_, request, reason) => {
    const hub = new WatchHub(new Store({ bug: "" }), { bug: "", maxEventsPerResponse: 10 });
    const id = hub.create(request);
    const responses = hub.drain();
    expect(responses.map((output) => [output.id, output.response.kind])).toEqual([
      [id, "created"],
      [id, "canceled"],
    ]);
    expect(responses[1]!.response.cancelReason).toBe(reason);
    hub.requestProgress([id]);
    expect(hub.hasPending).toBe(false);
  });

  it("without a key is of the smallest one", () => {
    const store = new Store({ bug: "" });
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 10 });
    const id = hub.create({ key: "", rangeEnd: "\0" });
    hub.notify(store.apply(put("a")));
    expect(told(hub)).toEqual([
      [id, "created"],
      [id, "events", "a2"],
    ]);
  });
});

describe("progress", () => {
  it("is noticed by ticks, but not after events, to the slow, or before the start", () => {
    const store = new Store({ bug: "" });
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 10 });
    const create = (more: Partial<WatchCreateRequest>) =>
      hub.create({ key: "a", progressNotify: true, ...more });
    const [idle, busy, slow] = [create({}), create({ key: "b" }), create({})];
    create({ progressNotify: false });
    create({ startRevision: 4 });
    hub.notify(store.apply(put("b")));
    hub.pause(slow);
    hub.drain();
    hub.tickProgress();
    expect(told(hub)).toEqual([[idle, "progress"]]);
    hub.tickProgress();
    expect(told(hub)).toEqual([
      [idle, "progress"],
      [busy, "progress"],
    ]);
  });

  it("is answered once for a stream, after all it is owed, and not while a watch cannot follow", () => {
    const store = new Store({ bug: "" });
    for (const command of [put("a"), put("a"), put("b")]) store.apply(command);
    const hub = new WatchHub(store, { bug: "", maxEventsPerResponse: 1 });
    const old = hub.create({ key: "a", startRevision: 1 });
    const now = hub.create({ key: "a" });
    hub.requestProgress([now, old]);
    expect(told(hub).slice(2)).toEqual([
      [old, "events", "a2"],
      [old, "events", "a3"],
      [now, "progress"],
    ]);
    hub.pause(old);
    hub.requestProgress([now, old]);
    hub.resume(old);
    const future = hub.create({ key: "a", startRevision: 9 });
    hub.requestProgress([now, old, future]);
    expect(told(hub)).toEqual([[future, "created"]]);
  });
});

describe("planted bugs", () => {
  const all: WatchCreateRequest = { key: "a", rangeEnd: "\0" };
  const apply = (command: Command): Action => ({ do: "apply", command });
  const watch = (from?: number): Action => ({ do: "watch", from, request: all });
  const scenes: Record<string, Action[]> = {
    "progress-ahead": [apply(put("a")), watch(-1), { do: "ask" }],
    "watch-restore-synced": [watch(), { do: "miss", commands: [put("a")] }, apply(put("b"))],
    "watch-resume-replays": [
      watch(),
      apply(put("a")),
      { do: "pause", watch: 0 },
      apply(put("b")),
      { do: "resume", watch: 0 },
    ],
    "watch-splits-txn": [watch(), apply(txn(put("a"), put("b")))],
    "future-watch-gets-old": [watch(1), apply(put("a")), apply(put("b"))],
  };

  it.each(Object.entries(scenes))("%s", (bug, script) => {
    expect(broken(script, "")).toEqual([]);
    expect(broken(script, bug)).not.toEqual([]);
  });

  it.each(Object.keys(scenes))("%s is met by chance, too", (bug) => {
    const found = fc.check(
      fc.property(scripts, (script) => broken(script, bug).length === 0),
      { seed: 1, numRuns: 300, endOnFailure: true },
    );
    expect(found.failed).toBe(true);
  });
});
