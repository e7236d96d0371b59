/** A copy of all keys with a prefix, kept by one list and a watch, and the ways in which such copies go wrong. */
import type { KvApi, Watch, WatchResponse } from "../cluster/api.ts";
import type { KeyValue } from "../cluster/kv/request.ts";
import { MILLISECOND, type Runtime, type Timer } from "../src/runtime/runtime.ts";

export interface Following {
  /** From where a watch that ended goes on: the next revision after the last heard of, the one after, or now. */
  readonly resume: "next" | "next-but-one" | "now";
  /** Watch for one response at a time, and then again. */
  readonly oneShot: boolean;
  /** What to do if the next revision is compacted: list all keys again, or go on with what is left. */
  readonly compacted: "list" | "go-on";
}

export const PREFIX = "mirror/";
/** The first key after all that start with the prefix. */
const PREFIX_END = "mirror0";
/** What a client waits before it watches again. */
const AGAIN = 100 * MILLISECOND;
/** The same where the watch ended in peace. */
const AT_ONCE = 1 * MILLISECOND;

type Entry = { readonly key: string; readonly value: number; readonly modRevision: number };
export type Copied = { readonly revision: number; readonly entries: readonly Entry[] };

export class MirroredCopy {
  readonly #api: KvApi;
  readonly #runtime: Runtime;
  readonly #options: Following;
  /** By key; undefined before the first list, and after a compaction that it cannot get over. */
  #entries: Map<string, Entry> | undefined;
  /** All changes up to this one have been heard of, or so it believes. */
  #revision = 0;
  #watch: Watch | undefined;
  #again: Timer | undefined;

  constructor(api: KvApi, runtime: Runtime, options: Following) {
    this.#api = api;
    this.#runtime = runtime;
    this.#options = options;
  }

  /** Lists the keys if it has to. Rejects with ApiError if that fails. */
  async look(): Promise<Copied> {
    const entries = this.#entries ?? (await this.#list());
    return { revision: this.#revision, entries: [...entries.values()] };
  }

  close(): void {
    this.#again?.cancel();
    this.#watch?.cancel();
    this.#watch = undefined;
  }

  async #list(): Promise<Map<string, Entry>> {
    const { kvs, header } = await this.#api.request({ kind: "range", key: PREFIX, rangeEnd: PREFIX_END });
    const entries = new Map(kvs.map((kv) => [kv.key, entryOf(kv)]));
    this.#entries = entries;
    this.#revision = header.revision;
    this.#follow(header.revision + 1);
    return entries;
  }

  /** `start` 0: from now on. */
  #follow(start: number): void {
    let compactRevision = 0;
    const watch = this.#api.watch(
      { key: PREFIX, rangeEnd: PREFIX_END, startRevision: start },
      {
        response: (response) => {
          if (this.#watch !== watch) return;
          compactRevision = response.compactRevision;
          this.#hear(response);
          if (response.kind !== "events" || !this.#options.oneShot) return;
          watch.cancel();
          this.#followAgain(AT_ONCE, 0);
        },
        ended: () => {
          if (this.#watch === watch) this.#followAgain(AGAIN, compactRevision);
        },
      },
    );
    this.#watch = watch;
  }

  #hear({ events }: WatchResponse): void {
    for (const { type, kv } of events) {
      if (type === "put") this.#entries?.set(kv.key, entryOf(kv));
      else this.#entries?.delete(kv.key);
      this.#revision = kv.modRevision;
    }
  }

  #followAgain(after: number, compactRevision: number): void {
    this.#watch = undefined;
    const { resume, compacted } = this.#options;
    if (compactRevision > 0 && compacted === "list") {
      this.#entries = undefined;
      return;
    }
    const next = resume === "next" ? this.#revision + 1 : resume === "now" ? 0 : this.#revision + 2;
    const start = compactRevision > 0 ? compactRevision : next;
    this.#again = this.#runtime.timer(after, () => this.#follow(start));
  }
}

function entryOf({ key, value, modRevision }: KeyValue): Entry {
  return { key: key.slice(PREFIX.length), value: Number(value), modRevision };
}
