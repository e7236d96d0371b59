/** A cluster of real members, and what can be done to it. */
import fs from "node:fs";
import { join } from "node:path";
import type {
  Abilities,
  Ability,
  Clocks,
  Cluster,
  LinkHandle,
  Links,
  Members,
  Recovery,
} from "../../src/cluster.ts";
import type { Json, Nanos, NodeId } from "../../src/history/op.ts";
import type { Plan } from "../../src/plan.ts";
import type { NodeEnd } from "../../src/result.ts";
import { MILLISECOND, SECOND } from "../../src/runtime/runtime.ts";
import type { Control, MemberSpec, Membership, System } from "../systems/system.ts";
import { ProcessClocks } from "./clocks.ts";
import type { Machines, Member } from "./machines.ts";
import type { RealRuntime } from "./runtime.ts";

/** How long the tester's own requests wait for an answer. */
const OWN_TIMEOUT: Nanos = 2 * SECOND;
/** The same for a question that many members are asked, some of whom may be gone. */
const GLANCE: Nanos = SECOND;
const PROBE_PAUSE: Nanos = 100 * MILLISECOND;
/** Until a new cluster has to serve. Machines that test are slow. */
const BOOT_LIMIT: Nanos = 120 * SECOND;
/** Election timeouts that a removed member is left running. */
const FAREWELL = 3;
/** Until a learner has to be up and in sync. */
const PROMOTION_LIMIT: Nanos = 30 * SECOND;
/** What a fault is told that aimed at a node of the core. */
const SPARED = "spared: it belongs to the core that has to recover";
/** Characters of a log line that are worth repeating. */
const QUOTED = 300;

/** A place in the cluster, and who has it. */
interface Seat {
  readonly member: Member;
  /** What it has logged so far, in all its lives. */
  readonly log: string;
  spec: MemberSpec;
  /** Its removal was asked for, and may happen or have happened. */
  leaving: boolean;
  /** Whoever comes next is a new member, with an empty disk. */
  vacant: boolean;
}

export interface ClusterOptions<Api> {
  readonly plan: Plan;
  readonly nodes: readonly NodeId[];
  readonly system: System<Api>;
  readonly machines: Machines;
  readonly runtime: RealRuntime;
  /** Why something cannot be done here; undefined if it can. */
  readonly lacks: (ability: Ability) => string | undefined;
  /** Where each member's log goes, as NODE.log. */
  readonly logs: string;
}

export class RealCluster<Api> implements Cluster<Api> {
  readonly nodes: readonly NodeId[];
  readonly can: Abilities;
  readonly nodeEnds: NodeEnd[] = [];
  readonly #options: ClusterOptions<Api>;
  readonly #seats = new Map<NodeId, Seat>();
  readonly #clocks: ProcessClocks;
  /** Nodes that no fault may touch: those that have to recover. */
  readonly #core = new Set<NodeId>();
  readonly #spoils = new Set<HealedOnce>();
  /** Isolates the core from the others. */
  #moat: LinkHandle | undefined;
  #stopped = false;

  constructor(options: ClusterOptions<Api>) {
    this.#options = options;
    this.nodes = options.nodes;
    const { machines } = options;
    const peers = this.nodes.map((name) => ({ name, address: machines.address(name) }));
    for (const peer of peers) {
      const { name } = peer;
      const spec = {
        ...peer,
        directory: machines.directory(name),
        cluster: peers,
        founding: true,
      };
      const log = join(options.logs, `${name}.log`);
      const member = machines.member(name, { log, ended: (how) => this.#ended(name, how) });
      this.#seats.set(name, { member, log, spec, leaving: false, vacant: false });
    }
    this.#clocks = new ProcessClocks(options.runtime, (node) => this.#seat(node).member.pid);
    this.can = this.#abilities();
  }

  /** Starts every member, and waits until all serve. Rejects if one ends instead, or it takes too long. */
  async boot(): Promise<void> {
    await Promise.all(this.nodes.map((node) => this.#start(node)));
    const deadline = this.#now() + BOOT_LIMIT;
    await Promise.all(
      this.nodes.map(async (node) => {
        while (!(await this.#serves(node))) {
          const [end] = this.nodeEnds;
          if (end !== undefined) throw new Error(`${end.node} did not come up: ${end.reason}`);
          if (this.#now() > deadline)
            throw new Error(
              `${node} does not serve after ${BOOT_LIMIT / SECOND} s: ${this.#lastWords(node)}`,
            );
          await this.#sleep(PROBE_PAUSE);
        }
      }),
    );
  }

  api(node: NodeId): Api {
    return this.#options.system.api(this.#address(node), Math.round(this.#options.plan.timeout * SECOND));
  }

  async leaders(): Promise<readonly NodeId[]> {
    const terms = await Promise.all(
      this.#running().map(async (node) => {
        const term = await this.#with(node, GLANCE, (control) => control.leads()).catch(() => undefined);
        return { node, term };
      }),
    );
    const leading = terms.filter(({ term }) => term !== undefined);
    return leading.sort((a, b) => (b.term ?? 0) - (a.term ?? 0)).map(({ node }) => node);
  }

  async ready(nodes: readonly NodeId[]): Promise<void> {
    await Promise.all(
      nodes.map(async (node) => {
        while (!this.#stopped && !(await this.#serves(node))) await this.#sleep(PROBE_PAUSE);
      }),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#clocks.close();
    await Promise.all([...this.#seats.values()].map(({ member }) => member.kill()));
  }

  /** Copies the members' data into a directory. They have to be dead. */
  async keepData(directory: string): Promise<void> {
    for (const [node, { member }] of this.#seats) await member.keep(join(directory, node));
  }

  /** Every line that a member has logged. */
  *logged(): Generator<{ readonly node: NodeId; readonly line: string }> {
    for (const node of this.nodes) for (const line of this.#linesOf(node)) yield { node, line };
  }

  #now(): Nanos {
    return this.#options.runtime.clock.monotonic();
  }

  #sleep(delay: Nanos): Promise<void> {
    return new Promise((resolve) => {
      this.#options.runtime.timer(delay, resolve);
    });
  }

  #seat(node: NodeId): Seat {
    const seat = this.#seats.get(node);
    if (seat === undefined) throw new Error(`no node is called ${node}`);
    return seat;
  }

  #address(node: NodeId): string {
    return this.#seat(node).spec.address;
  }

  #running(): NodeId[] {
    return this.nodes.filter((node) => this.#seat(node).member.state === "running");
  }

  async #start(node: NodeId): Promise<Json> {
    const { member, spec } = this.#seat(node);
    this.#options.runtime.tell(node, "start", {});
    const started = await member.start(spec);
    this.#clocks.started(node);
    return started;
  }

  #ended(node: NodeId, how: number | string): void {
    const { leaving } = this.#seat(node);
    const reason = `ended by itself (${how}): ${this.#lastWords(node)}`;
    const kind = leaving || how === 0 ? "exit" : "crash";
    this.nodeEnds.push({ node, time: this.#now(), kind, reason });
  }

  /** What is wrong by the member's own log, or else the last it said. */
  #lastWords(node: NodeId): string {
    const lines = this.#linesOf(node);
    const found = lines.map((line) => this.#options.system.finding(line)).filter((one) => one !== undefined);
    return (found.at(-1) ?? lines.at(-1) ?? "it logged nothing").slice(0, QUOTED);
  }

  #linesOf(node: NodeId): string[] {
    const { log } = this.#seat(node);
    if (!fs.existsSync(log)) return [];
    return fs
      .readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  }

  async #with<T>(node: NodeId, timeout: Nanos, ask: (control: Control) => Promise<T>): Promise<T> {
    const control = this.#options.system.control(this.#address(node), timeout);
    try {
      return await ask(control);
    } finally {
      control.close();
    }
  }

  #serves(node: NodeId): Promise<boolean> {
    return this.#with(node, OWN_TIMEOUT, (control) => control.probe()).then(
      () => true,
      () => false,
    );
  }

  /** Asks members in turn, leaders first, until one answers. Rejects with the last refusal. */
  async #ask<T>(ask: (control: Control) => Promise<T>, except?: NodeId): Promise<T> {
    const leading = await this.leaders();
    const others = this.#running().filter((node) => !leading.includes(node));
    let refusal: unknown = new Error("no node is running");
    for (const node of [...leading, ...others]) {
      if (node === except) continue;
      try {
        return await this.#with(node, OWN_TIMEOUT, ask);
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  }

  /** Damages a node, unless it belongs to a core that must be left in peace. */
  async #strike(node: NodeId, what: string, damage: (member: Member) => Promise<Json>): Promise<Json> {
    if (this.#core.has(node)) return SPARED;
    this.#options.runtime.tell(node, what, {});
    return damage(this.#seat(node).member);
  }

  #abilities(): Abilities {
    const { system, machines } = this.#options;
    return {
      processes: {
        kill: (node) => this.#strike(node, "kill", (member) => member.kill()),
        stop: (node) => this.#strike(node, "stop", (member) => member.stop()),
        start: async (node) => {
          await this.#seat(node).member.resume();
          return this.#start(node);
        },
        pause: (node) => this.#strike(node, "pause", (member) => member.pause()),
        resume: (node) => this.#seat(node).member.resume(),
        state: (node) => this.#seat(node).member.state,
      },
      ...(machines.links === undefined ? {} : { links: this.#links(machines.links) }),
      ...(this.#options.lacks("clocks") === undefined ? { clocks: this.#sparingClocks() } : {}),
      ...(system.can.includes("members") ? { members: this.#members() } : {}),
      ...(system.can.includes("admin")
        ? { admin: { compact: (keep) => this.#ask((control) => present(control.compact)(keep)) } }
        : {}),
      recovery: this.#recovery(),
    };
  }

  #sparingClocks(): Clocks {
    const clocks = this.#clocks;
    return {
      jump: async (node, by) => (this.#core.has(node) ? SPARED : clocks.jump(node, by)),
      drift: async (node, rate) => (this.#core.has(node) ? SPARED : clocks.drift(node, rate)),
      reset: (node) => clocks.reset(node),
      offset: (node) => clocks.offset(node),
    };
  }

  #links(links: Links): Links {
    return {
      spoil: async (pairs, fault) => {
        const hit = pairs.filter(([from, to]) => !this.#core.has(from) || !this.#core.has(to));
        const spoil = new HealedOnce(await links.spoil(hit, fault), () => this.#spoils.delete(spoil));
        this.#spoils.add(spoil);
        return spoil;
      },
      reset: async (a, b) => (this.#core.has(a) && this.#core.has(b) ? SPARED : links.reset(a, b)),
      resetClients: async (node) => (this.#core.has(node) ? SPARED : links.resetClients(node)),
    };
  }

  #members(): Members {
    return {
      list: async () => {
        const members = await this.#list();
        const named = (learner: boolean) =>
          members.filter((member) => member.learner === learner).map(({ node }) => node);
        return { voters: named(false), learners: named(true) };
      },
      add: (node, learner) => this.#add(node, learner),
      remove: (node) => this.#remove(node),
      transferLeader: async (to) => {
        const known = (await this.#list()).find(({ node }) => node === to);
        if (known === undefined) throw new Error(`${to} is no member`);
        const [leader] = await this.leaders();
        if (leader === undefined) throw new Error("nobody leads");
        await this.#with(leader, OWN_TIMEOUT, (control) => membership(control).transferLeader(known.id));
        return { from: leader, to };
      },
    };
  }

  async #list(except?: NodeId) {
    const listed = await this.#ask((control) => membership(control).list(), except);
    return listed.map(({ id, address, learner }) => ({ id, learner, node: this.#nodeAt(address) }));
  }

  #nodeAt(address: string): NodeId {
    const found = this.nodes.find((node) => this.#address(node) === address);
    if (found === undefined) throw new Error(`a member at ${address} is none of ours`);
    return found;
  }

  async #remove(node: NodeId): Promise<Json> {
    const seat = this.#seat(node);
    const known = (await this.#list(node)).find((member) => member.node === node);
    seat.leaving = true;
    if (known !== undefined) await this.#ask((control) => membership(control).remove(known.id), node);
    seat.vacant = true;
    // One that has seen its own removal ends itself; others do not know, and disturb for a while.
    const { system, plan, runtime } = this.#options;
    runtime.timer(FAREWELL * system.electionTimeout(plan), () => {
      if (seat.vacant && !this.#stopped) void seat.member.kill();
    });
    return { member: known?.id ?? null };
  }

  /**
   * An earlier attempt may have gone through without an answer: the cluster's list decides. A removal that was asked
   * for may even come later, so it is brought to its end first; the new identity is beyond its reach.
   */
  async #add(node: NodeId, learner: boolean): Promise<Json> {
    const seat = this.#seat(node);
    const { address } = seat.spec;
    let members = await this.#list(node);
    if (seat.leaving && !seat.vacant) {
      await this.#remove(node);
      members = members.filter((member) => member.node !== node);
    }
    let known = members.find((member) => member.node === node);
    if (known === undefined) {
      seat.vacant = true;
      const id = await this.#ask((control) => membership(control).add(address, learner), node);
      known = { id, node, learner };
      members = [...members, known];
    }
    if (seat.vacant) {
      await seat.member.kill();
      await seat.member.wipe();
      const cluster = members.map((member) => ({ name: member.node, address: this.#address(member.node) }));
      seat.spec = { ...seat.spec, cluster, founding: false };
      seat.vacant = false;
      seat.leaving = false;
    }
    await seat.member.resume();
    await this.#start(node);
    if (known.learner) await this.#promote(node, known.id);
    return { member: known.id };
  }

  /** A learner has to catch up first. */
  async #promote(node: NodeId, id: string): Promise<void> {
    const deadline = this.#now() + PROMOTION_LIMIT;
    for (;;) {
      try {
        return await this.#ask((control) => membership(control).promote(id), node);
      } catch (error) {
        if (this.#now() > deadline) throw error;
        await this.#sleep(500 * MILLISECOND);
      }
    }
  }

  #recovery(): Recovery {
    const { system, plan } = this.#options;
    return {
      bound: 15 * system.electionTimeout(plan) + 30 * SECOND,
      healCore: async () => {
        const core = await this.#chooseCore();
        for (const node of core) this.#core.add(node);
        for (const spoil of [...this.#spoils]) await spoil.heal();
        for (const node of core) {
          await this.#seat(node).member.resume();
          await this.#clocks.reset(node);
          await this.#start(node);
        }
        const outside = this.nodes.filter((node) => !this.#core.has(node));
        const pairs = core.flatMap((a) => outside.flatMap((b) => [[a, b] as const, [b, a] as const]));
        this.#moat = await this.#options.machines.links?.spoil(pairs, { cut: true });
        return { core };
      },
      releaseCore: async () => {
        await this.#moat?.heal();
        this.#moat = undefined;
        this.#core.clear();
      },
    };
  }

  /** A random smallest majority of the voters; whoever ended itself comes last: starting it again may not help. */
  async #chooseCore(): Promise<NodeId[]> {
    const members = this.#options.system.can.includes("members") ? await this.#list().catch(() => []) : [];
    const voters = members.filter(({ learner }) => !learner).map(({ node }) => node);
    const candidates = voters.length > 0 ? voters : this.nodes;
    const shuffled = this.#options.runtime.random.fork("core").shuffle(candidates);
    const unfit = new Set(this.nodeEnds.map(({ node }) => node));
    const ranked = [
      ...shuffled.filter((node) => !unfit.has(node)),
      ...shuffled.filter((node) => unfit.has(node)),
    ];
    const core = new Set(ranked.slice(0, Math.floor(candidates.length / 2) + 1));
    return candidates.filter((node) => core.has(node));
  }
}

/** A fault of links that the recovery of a core may have healed before its injector does. */
class HealedOnce implements LinkHandle {
  readonly #handle: LinkHandle;
  readonly #healed: () => void;
  #effects: ReturnType<LinkHandle["heal"]> | undefined;

  constructor(handle: LinkHandle, healed: () => void) {
    this.#handle = handle;
    this.#healed = healed;
  }

  heal(): ReturnType<LinkHandle["heal"]> {
    this.#healed();
    this.#effects ??= this.#handle.heal();
    return this.#effects;
  }
}

function membership(control: Control): Membership {
  return present(control.members);
}

/** A system that says it can do something has a control that does. */
function present<T>(ability: T | undefined): T {
  if (ability === undefined) throw new Error("the system's control lacks what the system says it can");
  return ability;
}
