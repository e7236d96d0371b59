/**
 * A cluster of ours and one of etcd 3.4 that are put the same requests, one after the other, each to any member: their
 * answers must be the same, revisions included. For tests.
 */
import { deepStrictEqual } from "node:assert";
import { type Random, seededRandom } from "../../src/runtime/random.ts";
import * as pb from "./generated/rpc.ts";
import { FOUNDING, GuardedSequence } from "./random-guarded-requests.ts";
import { bytes, Clients, comparable, outcome, Sequence, type Step } from "./random-requests.ts";
import { RealEtcd } from "./real-etcd.ts";
import { call, EdgeTestbed, message } from "./testbed.ts";

/** Requests before a difference that are told with it. */
const TOLD = 5;

export class Differential {
  readonly #bed = new EdgeTestbed({}, { bcryptCost: 4 });
  readonly #real = new RealEtcd();
  /** Of each member and its counterpart. */
  readonly #clients: (readonly [ours: Clients, theirs: Clients])[] = [];
  readonly #told: string[] = [];

  async start(size: number): Promise<void> {
    const names = Array.from({ length: size }, (_, i) => `m${i + 1}`);
    await Promise.all([this.#bed.found(...names), this.#real.start(size, ["--bcrypt-cost", "4"])]);
    names.forEach((name, i) => {
      this.#clients.push([
        new Clients(this.#bed.address(name)),
        new Clients(this.#real.addresses[i] as string),
      ]);
    });
  }

  async end(): Promise<void> {
    for (const each of this.#clients.flat()) each.close();
    await Promise.all([this.#bed.end(), this.#real.end()]);
  }

  /** Requests of the store. Rejects at the first difference, which it tells. */
  async store(seed: number, steps: number): Promise<void> {
    const alone = this.#clients.length === 1;
    const random = seededRandom(seed).fork(alone ? "store" : "members");
    const sequence = new Sequence(random, alone);
    // Where another seed's requests have left off.
    const look = {
      what: "look",
      ask: (c: Clients) => call(c.kv, c.kv.range, message(pb.RangeRequest, { key: bytes("a") })),
    };
    let compacted = 0;
    for (let i = 0; i < steps; i++) {
      const step = i === 0 ? look : sequence.step();
      const answer = await this.#both(step, random);
      const { header } = answer as { header?: { revision: string } };
      if (header === undefined) continue;
      sequence.revision = Number(header.revision);
      compacted = Number(/^compact .*"revision":"(\d+)"/.exec(step.what)?.[1] ?? compacted);
    }
    if (!alone) return;
    // etcd 3.4 has lost what was deleted at the very revision that was compacted.
    for (const from of [random.below(sequence.revision) + 1, sequence.revision])
      await this.#watches(from === compacted ? from + 1 : from);
  }

  /** Requests by users, after which only they are served. Rejects like `store`. */
  async guarded(seed: number, steps: number): Promise<void> {
    const random = seededRandom(seed).fork("auth");
    const sequence = new GuardedSequence(random);
    for (const ask of FOUNDING) await this.#both({ what: "founding", ask: ({ auth }) => ask(auth) }, random);
    for (let i = 0; i < steps; i++) await this.#both(sequence.step(), random);
  }

  /** The answer, which both give. */
  async #both(step: Step, random: Random): Promise<unknown> {
    this.#told.push(step.what);
    const [ours, theirs] = this.#clients.length === 1 ? this.#only : random.pick(this.#clients);
    const [our, their] = await Promise.all([outcome(step, ours), outcome(step, theirs)]);
    deepStrictEqual(our, their, this.#difference(our, their));
    return our;
  }

  get #only(): readonly [ours: Clients, theirs: Clients] {
    return this.#clients[0] as readonly [Clients, Clients];
  }

  /** What changed from a revision on. */
  async #watches(from: number): Promise<void> {
    const request = message(pb.WatchCreateRequest, {
      key: bytes("\0"),
      rangeEnd: bytes("\0"),
      startRevision: BigInt(from),
      prevKv: true,
    });
    this.#told.push(`watch from ${from}`);
    const [our, their] = await Promise.all(this.#only.map((clients) => watched(clients, request)));
    deepStrictEqual(our, their, this.#difference(our, their));
  }

  #difference(our: unknown, their: unknown): string {
    const told = this.#told.slice(-TOLD).join("\n  ");
    return `after\n  ${told}\nwe answer ${JSON.stringify(our)}\nand etcd ${JSON.stringify(their)}`;
  }
}

/** All that a watch is told until it is told nothing for a while. */
function watched(clients: Clients, request: pb.WatchCreateRequest): Promise<unknown> {
  const stream = clients.watch.watch();
  const heard: unknown[] = [];
  return new Promise((resolve) => {
    const finish = () => {
      stream.cancel();
      resolve(heard);
    };
    let timer = setTimeout(finish, 1000);
    stream.on("error", () => {});
    stream.on("data", (response: pb.WatchResponse) => {
      clearTimeout(timer);
      timer = setTimeout(finish, 300);
      const { created, canceled, compactRevision, cancelReason, events } = response;
      // How many revisions come in one response is each server's own affair.
      for (const event of events) heard.push(comparable(event));
      if (created || canceled)
        heard.push({ created, canceled, compactRevision: String(compactRevision), cancelReason });
    });
    stream.write({ requestUnion: { $case: "createRequest", createRequest: request } });
  });
}
