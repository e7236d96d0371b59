/**
 * Watches: every change, once, in order, whole, from where it was asked to where it ended.
 *
 * The guarantees are etcd's (its documentation, "KV API guarantees: watch"; tests/robustness, validate/watch.go):
 * filter, ordered, unique, atomic, reliable, resumable, bookmarkable, prevKV and isCreate. Each watch is compared
 * with the log of all changes that left a trace, over the range of revisions that it vouches for: from its start
 * to its last event or bookmark. Near-linear in what was delivered and in the log that each watch spans; memory
 * for the log and for what is wrong.
 */
import type { Checker } from "../src/checker.ts";
import type { History } from "../src/history/history.ts";
import type { Process } from "../src/history/op.ts";
import { Delays } from "./delays.ts";
import { Findings } from "./findings.ts";
import { JudgedWatch } from "./judged-watch.ts";
import { EventLog } from "./watch-log.ts";
import type { WatchSignature } from "./watch-signature.ts";
import { readAbreast, WatchStream } from "./watch-stream.ts";

export const watchChecker: Checker<WatchSignature> = {
  name: "watch",
  check(history: History<WatchSignature>) {
    const findings = new Findings();
    const streams = streamsOf(history);
    const log = new EventLog(history, streams, findings);
    const reference = { log, compactions: new Compactions(history), delays: new Delays(), findings };
    const watches = streams.map((stream) => new JudgedWatch(stream, reference));
    readAbreast(
      streams.map((stream, i) => {
        const watch = watches[i] as JudgedWatch;
        const { leads } = stream;
        return stream.reader((response, operation, nth) =>
          watch.hear(response, operation, log.account(leads[nth] as number)),
        );
      }),
    );
    const counts = { watches: 0, events: 0, bookmarks: 0, compacted: 0 };
    let behind: string | undefined;
    for (const watch of watches) {
      watch.end();
      counts.watches++;
      counts.events += watch.events;
      counts.bookmarks += watch.bookmarks;
      if (watch.compacted) counts.compacted++;
      behind ??= watch.behind;
    }
    const evidence = { ...counts, changes: log.entries.length, delay: reference.delays.quantiles };
    const nothing = counts.events === 0 ? "no watch delivered an event" : undefined;
    return findings.verdict("watch", counts.watches, "watches", { doubt: nothing ?? behind, evidence });
  },
};

function streamsOf(history: History<WatchSignature>): readonly WatchStream[] {
  const streams: WatchStream[] = [];
  /** What each process left open. */
  const open = new Map<Process, readonly WatchStream[]>();
  for (const operation of history.byFunction("watch")) {
    if (operation.type !== "ok") continue;
    const { input, output, process } = operation;
    let current = input.continues ? open.get(process) : undefined;
    if (current === undefined) {
      current = input.watches.map((request) => new WatchStream(request, operation));
      streams.push(...current);
    }
    open.set(process, current);
    for (const [i, { responses }] of output.watches.entries()) current[i]?.add(responses, operation);
  }
  return streams.sort(byNode);
}

/** Those that follow one member, which may share what it sent, are read one after another. */
function byNode(
  { opening: { node: a = "" } }: WatchStream,
  { opening: { node: b = "" } }: WatchStream,
): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What is known of compactions: which may have happened by when. */
class Compactions {
  readonly #requested: { readonly revision: number; readonly invokeIndex: number }[] = [];
  /** Faults compact too, at revisions the history does not tell. */
  readonly #byFaults: boolean;

  constructor(history: History<WatchSignature>) {
    for (const compact of history.byFunction("compact"))
      if (compact.type !== "fail")
        this.#requested.push({ revision: compact.input.revision, invokeIndex: compact.invokeIndex });
    this.#byFaults = history.nemesis.some((event) => event.f.includes("compact"));
  }

  /** Whether the state before `revision` may have been gone before the event `index`. */
  mayHideStateBefore(revision: number, index: number): boolean {
    return this.#byFaults || this.#requested.some((c) => c.revision >= revision && c.invokeIndex < index);
  }

  /** Whether the store may have been compacted at `revision` before the event `index`. */
  mayBeAt(revision: number, index: number): boolean {
    return this.#byFaults || this.#requested.some((c) => c.revision === revision && c.invokeIndex < index);
  }
}
