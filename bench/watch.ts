/**
 * What it costs to judge many watches of a long history: 1,000 watches of 100,000 changes each, which is a hundred
 * million deliveries, and half as many operations again that made the changes.
 *
 *   npm run bench:watch [-- --watches 1000] [--changes 100000]
 *
 * Each case runs in a process of its own: CPU-seconds of the check alone, all threads, and the peak of the process's
 * memory, of which the history itself is given too.
 */
import { spawnSync } from "node:child_process";
import { argv, cpuUsage, execPath, memoryUsage, resourceUsage, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { watchChecker } from "../checkers/watch.ts";
import type {
  Change,
  ObservedEvent,
  ObservedResponse,
  ObservedVersion,
  WatchRequest,
  WatchSignature,
} from "../checkers/watch-signature.ts";
import { Budget } from "../src/checker.ts";
import { History } from "../src/history/history.ts";
import type { Nanos, Op } from "../src/history/op.ts";
import { type Random, seededRandom } from "../src/runtime/random.ts";

const MILLISECOND = 1_000_000;
const KEYS = 1_000;
const WRITERS = 10;
/** Watches of one member share what it sent: the events are in memory once per member. */
const MEMBERS = 3;

type Event = Op<WatchSignature>;

const keyName = (i: number): string => `key/${String(i).padStart(4, "0")}`;

const everything: WatchRequest = {
  key: "key/",
  end: "key0",
  start: 2,
  previous: true,
  progress: true,
  fragment: false,
  filters: [],
};

class Recorder {
  readonly events: Event[] = [];
  /** All changes, by revision: those of revision 2 first. */
  readonly log: ObservedEvent[][] = [];
  readonly #state = new Map<string, ObservedVersion>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  add(type: "invoke" | "ok", f: string, process: number, value: unknown): void {
    const index = this.events.length;
    const node = `n${(process % MEMBERS) + 1}`;
    this.events.push({ type, f, process, node, value, index, time: index * MILLISECOND } as never);
  }

  /** Puts, a quarter deletes, and now and then a transaction of several keys. */
  write(nth: number): number {
    const random = this.#random;
    const revision = this.log.length + 2;
    const first = random.below(KEYS);
    const count = random.chance(0.1) ? random.between(2, 4) : 1;
    const changes: Change[] = [];
    const made: ObservedEvent[] = [];
    const deleted: string[] = [];
    for (let i = 0; i < count; i++) {
      const key = keyName((first + i) % KEYS);
      const previous = this.#state.get(key);
      const told = previous === undefined ? {} : { previous };
      if (previous !== undefined && random.chance(0.25)) {
        changes.push({ type: "delete", key });
        deleted.push(key);
        this.#state.delete(key);
        made.push({ type: "delete", key, value: "", created: 0, revision, version: 0, ...told });
      } else {
        const value = `v${nth}.${i}`;
        const version = {
          value,
          created: previous?.created ?? revision,
          revision,
          version: (previous?.version ?? 0) + 1,
        };
        changes.push({ type: "put", key, value });
        this.#state.set(key, version);
        made.push({ type: "put", key, ...version, ...told });
      }
    }
    this.log.push(made);
    this.add("invoke", "txn", nth % WRITERS, { changes });
    this.add("ok", "txn", nth % WRITERS, { revision, deleted });
    return made.length;
  }

  /** What one member sends to a watch: responses of a few revisions, and a bookmark now and then. */
  stream(request: WatchRequest): ObservedResponse[] {
    const random = this.#random;
    const head = this.log.length + 1;
    const responses: ObservedResponse[] = [response("created", head, [], 0)];
    for (let at = 0; at < this.log.length; ) {
      const size = random.between(1, 20);
      const events = this.log
        .slice(at, at + size)
        .flat()
        .filter(({ key }) => key >= request.key && key < request.end)
        .map((event) => ({ ...event }));
      at = Math.min(at + size, this.log.length);
      // A write takes two milliseconds, and its event a little more.
      const time = (2 * at + random.below(50)) * MILLISECOND;
      if (events.length > 0) responses.push(response("events", head, events, time));
      if (random.chance(0.01)) responses.push(response("progress", at + 1, [], time));
    }
    return responses;
  }
}

function response(
  kind: ObservedResponse["kind"],
  revision: number,
  events: readonly ObservedEvent[],
  at: Nanos,
): ObservedResponse {
  return { kind, at, revision, events, fragment: false, compactRevision: 0 };
}

interface Case {
  readonly name: string;
  /** Shares of the keys: each watch follows one, from the first revision on. */
  readonly ranges: number;
  /** Operations that one watch is spread over. */
  readonly operations: number;
  /** The last watch misses one event. */
  readonly spoilt?: boolean;
}

const cases: readonly Case[] = [
  { name: "every watch follows all keys", ranges: 1, operations: 1 },
  { name: "each follows a tenth of the keys, in 20 operations", ranges: 10, operations: 20 },
  { name: "all keys, and the last watch misses one event", ranges: 1, operations: 1, spoilt: true },
];

/** The history, and the number of deliveries in it. All watches are opened first, then all changes are made. */
function historyOf(
  { ranges, operations, spoilt }: Case,
  watches: number,
  changes: number,
): { readonly history: History<WatchSignature>; readonly deliveries: number } {
  const recorder = new Recorder(seededRandom(1));
  const requests = Array.from({ length: ranges }, (_, i): WatchRequest => {
    const [from, to] = [i, i + 1].map((edge) => keyName(Math.floor((edge * KEYS) / ranges)));
    return { ...everything, key: from as string, end: i === ranges - 1 ? "key0" : (to as string) };
  });
  const invoke = (watch: number, continues: boolean) => {
    const value = {
      watches: [requests[watch % ranges]],
      lifetime: 1,
      ask: [],
      until: 0,
      continues,
      keep: true,
    };
    recorder.add("invoke", "watch", WRITERS + watch, value);
  };
  for (let i = 0; i < watches; i++) invoke(i, false);
  for (let written = 0, nth = 0; written < changes; nth++) written += recorder.write(nth);
  const streams = requests.map((request) => Array.from({ length: MEMBERS }, () => recorder.stream(request)));
  let deliveries = 0;
  for (let i = 0; i < watches; i++) {
    let stream = streams[i % ranges]?.[i % MEMBERS] as ObservedResponse[];
    if (spoilt === true && i === watches - 1) {
      const middle = stream.length >> 1;
      stream = stream.filter(({ kind }, at) => at !== middle || kind !== "events");
    }
    const size = Math.ceil(stream.length / operations);
    for (let part = 0; part < operations; part++) {
      const responses = stream.slice(part * size, (part + 1) * size);
      for (const { events } of responses) deliveries += events.length;
      if (part > 0) invoke(i, true);
      recorder.add("ok", "watch", WRITERS + i, { watches: [{ responses, ended: "" }] });
    }
  }
  return { history: new History(recorder.events), deliveries };
}

function measure(one: Case, watches: number, changes: number): void {
  const { history, deliveries } = historyOf(one, watches, changes);
  const own = memoryUsage().rss;
  const before = cpuUsage();
  const { validity } = watchChecker.check(history, new Budget(0));
  const { user, system } = cpuUsage(before);
  const peak = resourceUsage().maxRSS * 1024;
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  stdout.write(
    `${one.name.padEnd(52)} ${validity.padEnd(8)} ${(deliveries / 1e6).toFixed(1).padStart(6)} M deliveries ` +
      `${((user + system) / 1e6).toFixed(2).padStart(6)} CPU-s   peak ${megabytes(peak)}, ${megabytes(own)} of it before the check\n`,
  );
}

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    watches: { type: "string", default: "1000" },
    changes: { type: "string", default: "100000" },
    case: { type: "string" },
  },
});
if (values.case !== undefined)
  measure(cases[Number(values.case)] as Case, Number(values.watches), Number(values.changes));
else
  for (let i = 0; i < cases.length; i++) {
    const args = [fileURLToPath(import.meta.url), ...argv.slice(2), "--case", String(i)];
    spawnSync(execPath, args, { stdio: "inherit" });
  }
