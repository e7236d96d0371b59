/**
 * Random watches, several on one stream, beside random requests, on a member of ours and on etcd 3.4: each watch must
 * be told the same, in the same order. How many revisions come in one response, and which watch hears first, is each
 * server's own affair; so requests wait until both have told the same of what was before.
 */
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Random, seededRandom } from "../../src/runtime/random.ts";
import * as pb from "./generated/rpc.ts";
import { Clients, comparable, interval, outcome, Sequence } from "./random-requests.ts";
import { isInstalled, RealEtcd } from "./real-etcd.ts";
import { EdgeTestbed, message } from "./testbed.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
const STEPS = 200;
const PATIENCE_MS = 20_000;
/** For what should not come. */
const QUIET_MS = 500;

/** One stream, and what each of its watches was told. */
class Listener {
  readonly told = new Map<string, unknown[]>();
  readonly #stream: ClientDuplexStream<pb.WatchRequest, pb.WatchResponse>;

  constructor(clients: Clients) {
    this.#stream = clients.watch.watch();
    this.#stream.on("error", () => {});
    this.#stream.on("data", (response: pb.WatchResponse) => this.#hear(response));
  }

  ask(request: pb.WatchRequest["requestUnion"]): void {
    this.#stream.write({ requestUnion: request });
  }

  end(): void {
    this.#stream.cancel();
  }

  /** Whether such a watch was created and not cancelled yet. */
  watches(id: string): boolean {
    return this.told.get(id)?.findLast(isEnd)?.canceled === false;
  }

  #hear({ watchId, created, canceled, compactRevision, cancelReason, events }: pb.WatchResponse): void {
    const id = String(watchId);
    const told = this.told.get(id) ?? [];
    this.told.set(id, told);
    for (const event of events) told.push(comparable(event));
    if (created || canceled)
      told.push({ created, canceled, compactRevision: String(compactRevision), cancelReason });
  }
}

/** Whether it tells of the creation or the end of a watch. */
function isEnd(told: unknown): told is { readonly canceled: boolean } {
  return typeof told === "object" && told !== null && "canceled" in told;
}

function watchOf(random: Random, revision: number): pb.WatchCreateRequest {
  const start = random.pick([0, 0, 0, 1, revision, revision + 1, revision + 4, random.below(revision + 1)]);
  return message(pb.WatchCreateRequest, {
    ...interval(random),
    startRevision: BigInt(start),
    watchId: BigInt(random.pick([0, 0, 0, 1, 2, 5, 70])),
    filters: random.pick([[], [], [], [0], [1], [0, 1]] as const).slice(),
    prevKv: random.below(2) === 0,
    fragment: random.below(3) === 0,
  });
}

if (!isInstalled()) {
  if (process.env.CI !== undefined) throw new Error("etcd-server and etcd-client must be installed");
  console.warn("SKIPPED: no etcd here to compare with; apt-get install etcd-server etcd-client");
}

describe.skipIf(!isInstalled()).each([1, 3])("random watches on a cluster of %i", (size) => {
  const bed = new EdgeTestbed();
  const real = new RealEtcd();
  const names = Array.from({ length: size }, (_, i) => `m${i + 1}`);
  const clients: (readonly [ours: Clients, theirs: Clients])[] = [];
  let listeners: readonly [ours: Listener, theirs: Listener];
  beforeAll(async () => {
    await Promise.all([bed.found(...names), real.start(size)]);
    names.forEach((name, i) => {
      clients.push([new Clients(bed.address(name)), new Clients(real.addresses[i] as string)]);
    });
  });
  afterAll(async () => {
    for (const each of clients.flat()) each.close();
    await Promise.all([bed.end(), real.end()]);
  });
  beforeEach(() => {
    const [ours, theirs] = clients.at(-1) as (typeof clients)[number];
    listeners = [new Listener(ours), new Listener(theirs)];
  });
  afterEach(() => {
    for (const listener of listeners) listener.end();
  });

  const told = ({ told }: Listener) => JSON.stringify([...told].sort());

  /** Waits until both have told the same, and as many responses as `least`. */
  async function agree(what: readonly string[], least: number): Promise<void> {
    const [ours, theirs] = listeners;
    const enough = (listener: Listener) => [...listener.told.values()].flat().length >= least;
    for (let waited = 0; waited < PATIENCE_MS; waited += 10) {
      if (told(ours) === told(theirs) && enough(ours)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const contents = ({ told }: Listener) => Object.fromEntries(told);
    expect(contents(ours), `after ${what.slice(-8).join("\n")}`).toEqual(contents(theirs));
    throw new Error(`nothing was told of ${what.at(-1)}`);
  }

  it.each(SEEDS)("of seed %i are told the same", async (seed) => {
    const random = seededRandom(seed).fork("watches");
    const sequence = new Sequence(random, size === 1);
    const what: string[] = [];
    for (let i = 0; i < STEPS; i++) {
      const asked = random.below(8);
      if (asked > 1) {
        const step = sequence.step();
        // What a watch may still want to read must not vanish while it does.
        if (step.what.startsWith("compact")) await agree(what, 0);
        what.push(step.what);
        const [ours, theirs] = random.pick(clients);
        const [our, their] = await Promise.all([outcome(step, ours), outcome(step, theirs)]);
        expect(our, `after ${what.slice(-5).join("\n")}`).toEqual(their);
        const { header } = our as { header?: { revision: string } };
        if (header !== undefined) sequence.revision = Number(header.revision);
        continue;
      }
      await agree(what, 0);
      const heard = [...listeners[0].told.values()].flat().length;
      if (asked === 0) {
        const watchId = BigInt(random.pick([0, 1, 2, 5, 70, 99]));
        what.push(`cancel ${watchId}`);
        for (const listener of listeners)
          listener.ask({ $case: "cancelRequest", cancelRequest: { watchId } });
        // What is asked next, on another connection, must not overtake it.
        if (listeners[0].watches(String(watchId))) await agree(what, heard + 1);
      } else {
        const request = watchOf(random, sequence.revision);
        what.push(`watch ${JSON.stringify(comparable(request))}`);
        for (const listener of listeners) listener.ask({ $case: "createRequest", createRequest: request });
        await agree(what, heard + 1);
      }
    }
    await agree(what, 0);
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    await agree(what, 1);
  });
});
