/** A cluster of the built-in store in virtual time: every ability of the port, done to simulated machines. */
import type { Abilities, Cluster, ClusterEvent, LinkFault, LinkHandle, Recovery } from "../../src/cluster.ts";
import type { Json, Nanos, NodeId } from "../../src/history/op.ts";
import type { Plan } from "../../src/plan.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import type { World } from "../../src/runtime/world.ts";
import type { KvApi } from "../api.ts";
import { type Connected, type ConnectOptions, connect } from "../node/client.ts";
import type { Member } from "../node/membership.ts";
import { Node, type NodeOptions } from "../node/node.ts";
import type { MemberRequest, MemberResponse } from "../node/protocol.ts";
import type { MemberId } from "../raft/message.ts";
import type { GroundTruth } from "./ground-truth.ts";
import { Host } from "./host.ts";
import type { InvariantWatch } from "./invariant-watch.ts";
import type { SimulatedNetwork, Spoil } from "./network.ts";

/** The host that all clients live on. */
const CLIENTS = "clients";
/** How long the cluster's own requests (probes, changes of membership) wait for an answer. */
const OPERATOR: ConnectOptions = { timeout: 2 * SECOND, bug: "", caller: "member" };

/** What a fault is told that aimed at a node of the core. */
const SPARED = "spared: it belongs to the core that has to recover";
/** Election timeouts that a removed member is left running. */
const FAREWELL = 3;
/** How often a learner is tried before its promotion is given up. */
const PROMOTIONS = 10;

/** One machine and who lives on it. A node that was removed comes back as a new member. */
interface Machine {
  readonly host: Host;
  member: MemberId;
  /** It starts with no history and learns of the cluster from the others. */
  join: boolean;
  /** True time of the newest incarnation's start. */
  startedAt: Nanos;
  /** Its removal was asked for, and may happen or have happened. */
  leaving: boolean;
  /** A new member is being added here, and may count as a voter before anybody says so. */
  joining: boolean;
  /**
   * Its removal went through and its disk was wiped, so that nobody lives here until a new member is added: started
   * all the same it would vote again, for members who have not heard of the removal, and know nothing of the past.
   */
  vacant: boolean;
  /** The newest incarnation, dead or alive. */
  node: Node | undefined;
  /** What disk faults had done when they were ended for the sake of the core. */
  diskEffects: { readonly [effect: string]: number };
}

export class SimulatedCluster implements Cluster<KvApi> {
  readonly nodes: readonly NodeId[];
  readonly can: Abilities;
  readonly #world: World;
  readonly #network: SimulatedNetwork;
  readonly #plan: Plan;
  readonly #watch: InvariantWatch;
  readonly #truth: GroundTruth;
  readonly #machines = new Map<NodeId, Machine>();
  readonly #initial: NodeOptions["members"];
  readonly #spoils = new Set<PairSpoil>();
  #nextMember: MemberId;
  /** Nodes that no fault may touch: those that have to recover. */
  readonly #core = new Set<NodeId>();
  /** Isolates the core from the others. */
  #moat: Spoil | undefined;

  constructor(
    world: World,
    network: SimulatedNetwork,
    plan: Plan,
    watch: InvariantWatch,
    truth: GroundTruth,
  ) {
    this.#world = world;
    this.#network = network;
    this.#plan = plan;
    this.#watch = watch;
    this.#truth = truth;
    this.nodes = Array.from({ length: plan.nodes }, (_, i) => `n${i + 1}`);
    this.#initial = this.nodes.map((node, i) => ({ id: i + 1, node, learner: false }));
    this.#nextMember = plan.nodes + 1;
    const syncLatency = Math.round(plan.disk.syncMs * MILLISECOND);
    for (const [i, name] of this.nodes.entries()) {
      const machine: Machine = {
        host: new Host(world, network, name, { syncLatency }),
        member: i + 1,
        join: false,
        startedAt: 0,
        leaving: false,
        joining: false,
        vacant: false,
        node: undefined,
        diskEffects: {},
      };
      watch.watchDisk(machine.host.disk, () => machine.member);
      this.#machines.set(name, machine);
    }
    this.can = this.#abilities();
  }

  /** Starts every node. */
  boot(): void {
    for (const node of this.nodes) this.#start(node);
  }

  api(node: NodeId): KvApi {
    const connected = this.#connect(node, {
      timeout: Math.round(this.#plan.timeout * SECOND),
      bug: this.#plan.bug,
    });
    // Where messages are copied, requests cannot be recognised.
    return this.#plan.network.codec ? connected : this.#truth.overhear(connected, node);
  }

  async leaders(): Promise<readonly NodeId[]> {
    return this.#leaders().map((machine) => machine.host.name);
  }

  async ready(nodes: readonly NodeId[]): Promise<void> {
    await Promise.all(nodes.map((node) => this.#probe(node)));
  }

  async stop(): Promise<void> {
    this.#world.stop();
  }

  /** Live nodes that believe to lead, newest term first. */
  #leaders(): Machine[] {
    const leading = [...this.#machines.values()].filter(
      ({ host, node }) => host.state !== "dead" && node?.raft.role === "leader",
    );
    return leading.sort((a, b) => (b.node?.raft.term ?? 0) - (a.node?.raft.term ?? 0));
  }

  #machine(node: NodeId): Machine {
    const machine = this.#machines.get(node);
    if (machine === undefined) throw new Error(`no node is called ${node}`);
    return machine;
  }

  #start(name: NodeId): void {
    const machine = this.#machine(name);
    const { raftkv, bug } = this.#plan;
    if (machine.vacant) return;
    if (machine.host.state === "dead") machine.startedAt = this.#world.now;
    machine.host.start((runtime) => {
      machine.node = new Node(runtime, {
        clusterId: 1,
        member: machine.member,
        members: machine.join ? [] : this.#initial,
        join: machine.join,
        tick: raftkv.tickMs * MILLISECOND,
        electionTicks: raftkv.electionTicks,
        heartbeatTicks: raftkv.heartbeatTicks,
        preVote: raftkv.preVote,
        checkQuorum: raftkv.checkQuorum,
        readMode: raftkv.readMode,
        snapshotEvery: raftkv.snapshotEvery,
        snapshotChunkBytes: raftkv.snapshotChunkBytes,
        catchUpEntries: raftkv.catchUpEntries,
        maxEntriesPerMessage: raftkv.maxEntriesPerMessage,
        maxInflightMessages: raftkv.maxInflightMessages,
        segmentBytes: raftkv.segmentBytes,
        requestTimeout: raftkv.requestTimeoutMs * MILLISECOND,
        peerTransport: raftkv.peerTransport,
        watchMaxEvents: raftkv.watchMaxEvents,
        leaseCheckpoints: raftkv.leaseCheckpoints,
        bug,
        observer: this.#watch.observer(machine.member, name),
      });
    });
  }

  #connect(node: NodeId, options: ConnectOptions = OPERATOR): Connected {
    return connect(this.#network.clientEndpoint(CLIENTS), this.#world.tester, node, options);
  }

  /** A write that leaves no trace in the store: a lease, granted and revoked. Tries until it succeeds. */
  async #probe(node: NodeId): Promise<void> {
    for (;;) {
      const api = this.#connect(node);
      try {
        const { id } = await api.request({ kind: "lease-grant", id: "0", ttl: 60 });
        await api.request({ kind: "lease-revoke", id });
        return;
      } catch {
        await this.#sleep(100 * MILLISECOND);
      } finally {
        api.close();
      }
    }
  }

  #sleep(delay: Nanos): Promise<void> {
    return new Promise((resolve) => {
      this.#world.tester.timer(delay, resolve);
    });
  }

  /** Asks the nodes in turn until one answers. Rejects with the last refusal. */
  async #ask(request: MemberRequest, nodes: readonly NodeId[]): Promise<MemberResponse> {
    let refusal: unknown = new Error("no node is running");
    for (const node of nodes) {
      if (this.#machine(node).host.state !== "running") continue;
      const api = this.#connect(node);
      try {
        return await api.member(request);
      } catch (error) {
        refusal = error;
      } finally {
        api.close();
      }
    }
    throw refusal;
  }

  /** Leaders first: they know best. */
  #byRank(): NodeId[] {
    const leading = this.#leaders().map((machine) => machine.host.name);
    return [...leading, ...this.nodes.filter((node) => !leading.includes(node))];
  }

  #abilities(): Abilities {
    return {
      processes: {
        kill: async (node) => this.#strike(node, (host) => this.#kill(host)),
        // The node has no goodbye of its own: its kernel closes its connections either way.
        stop: async (node) => this.#strike(node, (host) => this.#kill(host)),
        start: async (node) => {
          this.#machine(node).host.resume();
          this.#start(node);
          if (this.#machine(node).vacant) return "removed";
          return { incarnation: this.#machine(node).host.incarnations };
        },
        pause: async (node) =>
          this.#strike(node, (host) => {
            host.pause();
            return null;
          }),
        resume: async (node) => {
          this.#machine(node).host.resume();
          return null;
        },
        state: (node) => this.#machine(node).host.state,
      },
      power: {
        off: async (node) => this.#strike(node, (host) => this.#powerOff(host)),
      },
      packets: true,
      links: {
        spoil: async (pairs, fault) => this.#spoil(pairs, fault),
        reset: async (a, b) => (this.#core.has(a) && this.#core.has(b) ? SPARED : this.#network.reset(a, b)),
        resetClients: async (node) => this.#strike(node, () => this.#network.reset(node, CLIENTS)),
      },
      clocks: {
        jump: async (node, by) =>
          this.#strike(node, (host) => {
            host.jump(by);
            return { offset: host.clock.offset };
          }),
        drift: async (node, rate) =>
          this.#strike(node, (host) => {
            host.drift(rate);
            return { rate };
          }),
        reset: async (node) => {
          this.#machine(node).host.resetClock();
          return null;
        },
        offset: async (node) => this.#machine(node).host.clock.offset,
      },
      disks: {
        spoil: async (node, fault) => this.#strike(node, (host) => host.disk.spoil(fault)),
        heal: async (node) => this.#healDisk(node),
      },
      members: {
        list: async () => {
          const members = await this.#list(this.#byRank());
          const named = (learner: boolean) =>
            members.filter((member) => member.learner === learner).map(({ node }) => node);
          return { voters: named(false), learners: named(true) };
        },
        add: async (node, learner) => this.#add(node, learner),
        remove: async (node) => this.#remove(node),
        transferLeader: async (to) => {
          await this.#ask({ kind: "transfer-leader", to: this.#machine(to).member }, this.#byRank());
          return { to };
        },
      },
      admin: {
        compact: async (keep) => this.#compact(keep),
      },
      snapshots: {
        take: async (node) => {
          const { host, node: server } = this.#machine(node);
          if (host.state !== "running" || server === undefined) return "not running";
          server.snapshotNow();
          return { applied: server.applied };
        },
      },
      events: {
        subscribe: (kinds, listener) => this.#subscribe(kinds, listener),
      },
      recovery: this.#recovery(),
    };
  }

  #subscribe(kinds: readonly string[], listener: (event: ClusterEvent) => void): () => void {
    const wanted = new Set(kinds);
    return this.#world.onTrace((event) => {
      if (!wanted.has(event.kind) || !this.#machines.has(event.node)) return;
      listener(event);
      this.#world.touch();
    });
  }

  /** Damages a node, unless it belongs to a core that must be left in peace. */
  #strike(node: NodeId, damage: (host: Host) => Json): Json {
    return this.#core.has(node) ? SPARED : damage(this.#machine(node).host);
  }

  #kill(host: Host): Json {
    host.kill();
    return { incarnation: host.incarnations };
  }

  #powerOff(host: Host): Json {
    const lost = host.powerOff();
    return { incarnation: host.incarnations, lost };
  }

  /** Effects since the last heal, counting those of which the recovery of a core made an end. */
  #healDisk(node: NodeId): { readonly [effect: string]: number } {
    const machine = this.#machine(node);
    const effects = sum(machine.diskEffects, machine.host.disk.heal());
    machine.diskEffects = {};
    return effects;
  }

  #spoil(pairs: readonly (readonly [NodeId, NodeId])[], fault: LinkFault): LinkHandle {
    const spared = (node: NodeId) => this.#core.has(node) || node === CLIENTS;
    const hit = this.#core.size === 0 ? pairs : pairs.filter(([from, to]) => !(spared(from) && spared(to)));
    const spoils = hit.map(([from, to]) => new PairSpoil(from, to, this.#network.spoil([[from, to]], fault)));
    for (const spoil of spoils) this.#spoils.add(spoil);
    return {
      heal: async () => {
        let effects: { readonly [effect: string]: number } = {};
        for (const spoil of spoils) {
          this.#spoils.delete(spoil);
          effects = sum(effects, spoil.spoil.heal());
        }
        return effects;
      },
    };
  }

  async #compact(keep: number): Promise<Json> {
    let refusal: unknown = new Error("no node is running");
    for (const node of this.#byRank()) {
      if (this.#machine(node).host.state !== "running") continue;
      const api = this.#connect(node);
      try {
        const { header } = await api.request({ kind: "range", key: "\0", countOnly: true });
        const revision = header.revision - keep;
        if (revision < 1) return "nothing to compact";
        await api.request({ kind: "compact", revision });
        return { revision };
      } catch (error) {
        refusal = error;
      } finally {
        api.close();
      }
    }
    throw refusal;
  }

  async #remove(node: NodeId): Promise<Json> {
    const machine = this.#machine(node);
    const { member } = machine;
    machine.leaving = true;
    await this.#ask(
      { kind: "member-remove", id: member },
      this.#byRank().filter((other) => other !== node),
    );
    // A leader that has seen its own removal through ends itself; others do not know, and disturb for a while.
    const { tickMs, electionTicks } = this.#plan.raftkv;
    this.#world.tester.timer(FAREWELL * electionTicks * tickMs * MILLISECOND, () => {
      if (machine.member !== member) return;
      this.#wipe(node);
      machine.vacant = true;
    });
    return { member };
  }

  #wipe(node: NodeId): void {
    const machine = this.#machine(node);
    machine.host.kill();
    machine.host.disk.wipe();
    machine.node = undefined;
    this.#watch.wiped(machine.member);
  }

  async #list(nodes: readonly NodeId[]): Promise<readonly Member[]> {
    const answer = await this.#ask({ kind: "member-list" }, nodes);
    return answer.kind === "members" ? answer.members : [];
  }

  /**
   * An earlier attempt may have gone through without an answer: the cluster's list decides. A removal that was asked
   * for may even come later, so it is brought to its end first; the new identity is beyond its reach.
   */
  async #add(node: NodeId, learner: boolean): Promise<Json> {
    const machine = this.#machine(node);
    const others = this.#byRank().filter((other) => other !== node);
    machine.joining = true;
    let known = (await this.#list(others)).find((member) => member.node === node);
    if (known !== undefined && known.id === machine.member && machine.leaving) {
      await this.#remove(node);
      known = undefined;
    }
    if (known === undefined) {
      const id = this.#nextMember++;
      await this.#ask({ kind: "member-add", id, node, learner }, others);
      known = { id, node, learner };
    }
    if (known.id !== machine.member) {
      this.#wipe(node);
      machine.member = known.id;
      machine.join = true;
      machine.leaving = false;
      machine.vacant = false;
    }
    machine.host.resume();
    this.#start(node);
    if (known.learner) await this.#promote(known.id);
    machine.joining = false;
    return { member: known.id };
  }

  /** A learner has to catch up first. */
  async #promote(member: MemberId): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#ask({ kind: "member-promote", id: member }, this.#byRank());
        return;
      } catch (error) {
        if (attempt === PROMOTIONS) throw error;
        await this.#sleep(500 * MILLISECOND);
      }
    }
  }

  #recovery(): Recovery {
    const { tickMs, electionTicks } = this.#plan.raftkv;
    return {
      bound: 30 * tickMs * electionTicks * MILLISECOND + 20 * SECOND,
      healCore: async () => {
        const core = this.#startCore();
        for (const node of core) {
          const machine = this.#machine(node);
          machine.diskEffects = sum(machine.diskEffects, machine.host.disk.heal());
          machine.host.resetClock();
          machine.host.resume();
          this.#core.add(node);
        }
        const inside = new Set<string>([...core, CLIENTS]);
        for (const spoil of this.#spoils)
          if (inside.has(spoil.from) && inside.has(spoil.to)) spoil.spoil.heal();
        const outside = this.nodes.filter((node) => !inside.has(node));
        const moat = core.flatMap((a) => outside.flatMap((b) => [[a, b] as const, [b, a] as const]));
        this.#moat = this.#network.spoil(moat, { cut: true });
        return { core };
      },
      releaseCore: async () => {
        this.#moat?.heal();
        this.#core.clear();
      },
    };
  }

  /**
   * A random smallest majority of those who vote by the newest configuration that any node has applied. Last come
   * members that may still be removed, as was asked for, and such that ended themselves, as when their disk is
   * damaged: starting them again may not help. A member whose addition is under way may count as a voter at any moment,
   * and not be there yet: the core is a majority with it, too.
   */
  #chooseCore(): Machine[] {
    let newest: Node | undefined;
    for (const { node } of this.#machines.values()) {
      if (node !== undefined && node.applied >= (newest?.applied ?? -1)) newest = node;
    }
    const voters = new Set(newest?.raft.configuration.voters ?? []);
    const voting = [...this.#machines.values()].filter((machine) => voters.has(machine.member));
    const candidates = voting.length > 0 ? voting : [...this.#machines.values()];
    const shuffled = this.#world.tester.random.fork("core").shuffle(candidates);
    const fit = shuffled.filter((machine) => this.#fit(machine));
    const unfit = shuffled.filter((machine) => !this.#fit(machine));
    const joining = [...this.#machines.values()].filter(
      (machine) => machine.joining && !voters.has(machine.member),
    );
    const majority = Math.floor((candidates.length + joining.length) / 2) + 1;
    const chosen = new Set([...fit, ...unfit].slice(0, majority));
    return candidates.filter((machine) => chosen.has(machine));
  }

  /** A core all of whose members are up: whoever refuses to start is not asked again. */
  #startCore(): NodeId[] {
    for (let attempt = 1; ; attempt++) {
      const core = new Set(this.#chooseCore());
      for (const machine of core) {
        this.#start(machine.host.name);
        // A member that has not applied the newest change yet may be the one that has to lead: let it be electable.
        for (const other of this.#missing(machine, core)) core.add(other);
      }
      if (attempt > this.nodes.length || [...core].every((machine) => !this.#gaveUp(machine)))
        return [...core].map((machine) => machine.host.name);
    }
  }

  /** Who must be added to the core for it to be a quorum by the configuration that one of its members has applied. */
  #missing({ node }: Machine, core: ReadonlySet<Machine>): Machine[] {
    if (node === undefined) return [];
    const added: Machine[] = [];
    const { voters, votersOutgoing } = node.raft.configuration;
    for (const half of [voters, votersOutgoing]) {
      const voting = [...this.#machines.values()].filter(({ member }) => half.includes(member));
      const inside = voting.filter((machine) => core.has(machine) || added.includes(machine));
      const outside = voting.filter((machine) => !inside.includes(machine) && this.#fit(machine));
      const wanted = half.length === 0 ? 0 : Math.floor(half.length / 2) + 1 - inside.length;
      added.push(...outside.slice(0, Math.max(0, wanted)));
    }
    return added;
  }

  #fit(machine: Machine): boolean {
    return !machine.leaving && !this.#gaveUp(machine);
  }

  #gaveUp({ host, startedAt }: Machine): boolean {
    return (
      host.state === "dead" &&
      this.#world.exits.some(({ node, time }) => node === host.name && time >= startedAt)
    );
  }
}

/** A fault on one directed pair, so that a part of a larger fault can be healed. */
class PairSpoil {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly spoil: Spoil;
  constructor(from: NodeId, to: NodeId, spoil: Spoil) {
    this.from = from;
    this.to = to;
    this.spoil = spoil;
  }
}

function sum(
  a: { readonly [effect: string]: number },
  b: { readonly [effect: string]: number },
): { readonly [effect: string]: number } {
  const total: { [effect: string]: number } = { ...a };
  for (const [effect, count] of Object.entries(b)) total[effect] = (total[effect] ?? 0) + count;
  return total;
}
