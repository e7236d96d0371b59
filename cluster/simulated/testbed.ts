/** Nodes on simulated machines, and clients beside them: for tests of what a node does as a whole. */
import type { Nanos, NodeId } from "../../src/history/op.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import { World } from "../../src/runtime/world.ts";
import { type Connected, connect } from "../node/client.ts";
import { Node, type NodeOptions } from "../node/node.ts";
import { Host } from "./host.ts";
import { type NetworkOptions, SimulatedNetwork } from "./network.ts";

/** What a node runs with unless a test says otherwise. */
export const TESTBED_OPTIONS: Omit<NodeOptions, "member" | "members" | "join"> = {
  clusterId: 1,
  tick: 100 * MILLISECOND,
  electionTicks: 10,
  heartbeatTicks: 1,
  preVote: true,
  checkQuorum: true,
  readMode: "safe",
  snapshotEvery: 1000,
  catchUpEntries: 100,
  maxEntriesPerMessage: 64,
  maxInflightMessages: 16,
  segmentBytes: 1 << 16,
  requestTimeout: 5 * SECOND,
  peerTransport: "stream",
  watchMaxEvents: 100,
  leaseCheckpoints: false,
  bug: "",
};

interface Machine {
  readonly host: Host;
  readonly member: number;
  readonly join: boolean;
  node: Node | undefined;
}

export class Testbed {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly machines = new Map<NodeId, Machine>();
  readonly traces: { node: NodeId; kind: string }[] = [];
  readonly #options: Partial<NodeOptions>;
  readonly #founders: NodeOptions["members"];

  constructor(
    size: number,
    seed: number,
    options: Partial<NodeOptions> = {},
    network: Partial<NetworkOptions> = {},
  ) {
    this.world = new World(seed);
    this.network = new SimulatedNetwork(this.world, network);
    this.world.onTrace(({ node, kind }) => this.traces.push({ node, kind }));
    this.#options = options;
    this.#founders = Array.from({ length: size }, (_, i) => ({ id: i + 1, node: `n${i + 1}` }));
    for (const { id, node } of this.#founders) this.add(node, id, false);
    for (const { node } of this.#founders) this.start(node);
  }

  add(name: NodeId, member: number, join: boolean): void {
    this.machines.set(name, {
      host: new Host(this.world, this.network, name),
      member,
      join,
      node: undefined,
    });
  }

  start(name: NodeId): void {
    const machine = this.machines.get(name) as Machine;
    machine.host.start((runtime) => {
      machine.node = new Node(runtime, {
        ...TESTBED_OPTIONS,
        ...this.#options,
        member: machine.member,
        members: machine.join ? [] : this.#founders,
        join: machine.join,
      });
    });
  }

  host(name: NodeId): Host {
    return (this.machines.get(name) as Machine).host;
  }

  node(name: NodeId): Node {
    return (this.machines.get(name) as Machine).node as Node;
  }

  api(name: NodeId, timeout: Nanos = 3 * SECOND): Connected {
    return connect(this.network.clientEndpoint("clients"), this.world.tester, name, {
      timeout,
      bug: this.#options.bug ?? "",
    });
  }

  leader(): NodeId {
    const leaders = [...this.machines.values()].filter(
      ({ host, node }) => host.state === "running" && node?.raft.role === "leader",
    );
    leaders.sort((a, b) => (b.node?.raft.term ?? 0) - (a.node?.raft.term ?? 0));
    return leaders[0]?.host.name ?? "";
  }

  async until(condition: () => boolean, limit: Nanos = 60 * SECOND): Promise<void> {
    const verdict = await this.world.run(condition, this.world.now + limit);
    this.sound();
    if (verdict !== "done") throw new Error(`${verdict} after ${limit / SECOND} s`);
  }

  async elect(): Promise<NodeId> {
    await this.until(() => this.leader() !== "" && this.node(this.leader()).applied > 1);
    return this.leader();
  }

  /** Lets virtual time pass until a promise is settled. */
  async done<T>(promise: Promise<T>, limit: Nanos = 60 * SECOND): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.until(() => settled, limit);
    return promise;
  }

  sound(): void {
    if (this.world.crashes.length > 0) throw new Error(this.world.crashes[0]?.stack);
    if (this.world.exits.length > 0) throw new Error(`exit: ${JSON.stringify(this.world.exits)}`);
  }

  /** Whether anything of this kind was traced. */
  traced(kind: string): boolean {
    return this.traces.some((trace) => trace.kind === kind);
  }

  /** The value of a key as a linearizable read sees it. */
  async get(api: Connected, key: string): Promise<string | undefined> {
    const { kvs } = await this.done(api.request({ kind: "range", key }));
    return kvs[0]?.value;
  }

  /** Lets virtual time pass. */
  async sleep(duration: Nanos): Promise<void> {
    const end = this.world.now + duration;
    await this.world.run(() => this.world.now >= end, end);
    this.sound();
  }
}
