/**
 * A network of its own for each member: network namespaces of the kernel, joined by a bridge in a namespace of the
 * run's own, where a firewall spoils the links. The tester joins by an interface of its own. Linux, as root.
 *
 * Nothing of the machine's is changed: its firewall and settings are not touched, and what is added, one interface and
 * some named namespaces, bears the number of the run. The number is drawn by creating the interface, which the kernel
 * lets only one do.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import { networkInterfaces } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { LinkFault, LinkHandle, Links } from "../../src/cluster.ts";
import type { Json, NodeId } from "../../src/history/op.ts";
import type { Fabric } from "./fabric.ts";
import {
  type AddressPairs,
  addFault,
  askCounter,
  emptyTable,
  endFault,
  forgetFault,
  packetsOf,
  unable,
} from "./firewall.ts";

const execute = promisify(execFile);

/** Runs number N have the network 10.213.N.0/24, the interface faultline-N and namespaces faultline-N-…. */
const RUNS = 256;
const PREFIX = "faultline-";
/** So that a connection that was cut for long is used again soon after: half a minute of TCP's back-off would go by. */
const LONGEST_RETRANSMISSION = { file: "/proc/sys/net/ipv4/tcp_rto_max_ms", value: "1000" };

const PATHS = (process.env.PATH ?? "").split(delimiter);

/** Addresses within 10.213.N.0/24. */
const TESTER = 1;
const FIRST_MEMBER = 11;

/** The words before a command that runs it in a namespace. */
function within(namespace: string): readonly string[] {
  return ["nsenter", `--net=/run/netns/${namespace}`, "--"];
}

/** Rejects with what the command wrote to stderr. */
async function run([command, ...words]: readonly string[], input?: string): Promise<string> {
  const done = execute(command as string, words);
  // A command that has ended by then says itself why.
  done.child.stdin?.on("error", () => {}).end(input ?? "");
  try {
    return (await done).stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    throw new Error(`${[command, ...words].join(" ")}: ${stderr?.trim() || message}`);
  }
}

/** Why this machine has no namespaces to offer; undefined if it has. */
export function lacksNamespaces(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are a feature of Linux";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  for (const [tool, source] of [
    ["ip", "iproute2"],
    ["ss", "iproute2"],
    ["nft", "nftables"],
    ["nsenter", "util-linux"],
  ] as const)
    if (!PATHS.some((path) => fs.existsSync(join(path, tool))))
      return `the command ${tool} is missing: apt-get install ${source}`;
  return undefined;
}

export class Namespaces implements Fabric {
  readonly links: Links;
  readonly #number: number;
  readonly #nodes: readonly NodeId[];

  private constructor(number: number, nodes: readonly NodeId[]) {
    this.#number = number;
    this.#nodes = nodes;
    this.links = new FirewallLinks(this);
  }

  /** Builds the network of the run with this mark. Rejects, with nothing left behind, if the machine does not let it. */
  static async create(nodes: readonly NodeId[], mark: string): Promise<Namespaces> {
    await removeAbandoned();
    const fabric = new Namespaces(await draw(mark), nodes);
    try {
      await fabric.#build();
      return fabric;
    } catch (error) {
      await fabric.close();
      throw error;
    }
  }

  address(node: NodeId): string {
    const index = this.#nodes.indexOf(node);
    if (index < 0) throw new Error(`no member is called ${node}`);
    return `10.213.${this.#number}.${FIRST_MEMBER + index}`;
  }

  inside(node: NodeId, command: readonly string[]): readonly string[] {
    return [...within(this.#namespace(node)), ...command];
  }

  /** Runs nft where the bridge is. */
  nft(words: readonly string[], text?: string): Promise<string> {
    return run([...within(this.#switch), "nft", ...words], text);
  }

  /** Ends every connection between a member and an address, with a reset. Gives how many sockets that were. */
  async kill(node: NodeId, address: string): Promise<number> {
    const gone = await run(this.inside(node, ["ss", "-K", "-H", "-t", "dst", address]));
    return gone.split("\n").filter((line) => line !== "").length;
  }

  /** The tester's own address. */
  get tester(): string {
    return `10.213.${this.#number}.${TESTER}`;
  }

  async close(): Promise<void> {
    await remove(this.#number);
  }

  get #switch(): string {
    return `${PREFIX}${this.#number}-switch`;
  }

  #namespace(node: NodeId): string {
    return `${PREFIX}${this.#number}-${node}`;
  }

  async #build(): Promise<void> {
    const number = this.#number;
    const bridge = this.#switch;
    const network = `10.213.${number}`;
    const lines = [
      // The other end of the tester's interface was made in the machine's namespace: see draw.
      `link set ${peerName(number)} netns ${bridge} name tester`,
      `addr add ${network}.${TESTER}/24 dev ${PREFIX}${number}`,
      `link set ${PREFIX}${number} up`,
    ];
    const bridged = ["link add bridge type bridge", "link set bridge up", "link set tester master bridge up"];
    await run(["ip", "netns", "add", bridge]);
    for (const node of this.#nodes) await run(["ip", "netns", "add", this.#namespace(node)]);
    await run(["ip", "-batch", "-"], lines.join("\n"));
    for (const node of this.#nodes)
      bridged.push(
        `link add ${node} type veth peer name eth0 netns ${this.#namespace(node)}`,
        `link set ${node} master bridge up`,
      );
    await run(["ip", "-n", bridge, "-batch", "-"], bridged.join("\n"));
    await Promise.all(
      this.#nodes.map(async (node) => {
        const own = ["link set lo up", `addr add ${this.address(node)}/24 dev eth0`, "link set eth0 up"];
        await run(["ip", "-n", this.#namespace(node), "-batch", "-"], own.join("\n"));
        const { file, value } = LONGEST_RETRANSMISSION;
        if (fs.existsSync(file)) await run(this.inside(node, ["sh", "-c", `echo ${value} > ${file}`]));
      }),
    );
    await this.nft(["-f", "-"], emptyTable());
  }
}

class FirewallLinks implements Links {
  readonly #fabric: Namespaces;
  readonly #active: number[] = [];
  #next = 1;
  /** Changes one after the other: each names all faults that are in force. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(fabric: Namespaces) {
    this.#fabric = fabric;
  }

  async spoil(
    pairs: readonly (readonly [from: NodeId, to: NodeId])[],
    fault: LinkFault,
  ): Promise<LinkHandle> {
    const cannot = unable(fault);
    if (cannot !== undefined) throw new Error(`a firewall cannot do this to links: ${cannot}`);
    if (pairs.length === 0) return { heal: async () => ({ dropped: 0 }) };
    const id = this.#next++;
    const addresses: AddressPairs = pairs.map(([from, to]) => [
      this.#fabric.address(from),
      this.#fabric.address(to),
    ]);
    await this.#change(async () => {
      await this.#fabric.nft(["-f", "-"], addFault(id, addresses, fault, this.#active));
      this.#active.push(id);
    });
    let healed: Promise<{ readonly dropped: number }> | undefined;
    return {
      heal: () => {
        healed ??= this.#change(() => this.#heal(id)).catch((error: unknown) => {
          healed = undefined;
          throw error;
        });
        return healed;
      },
    };
  }

  async #heal(id: number): Promise<{ readonly dropped: number }> {
    const others = this.#active.filter((other) => other !== id);
    await this.#fabric.nft(["-f", "-"], endFault(others));
    this.#active.splice(0, this.#active.length, ...others);
    const dropped = packetsOf(await this.#fabric.nft(askCounter(id)));
    await this.#fabric.nft(["-f", "-"], forgetFault(id));
    return { dropped };
  }

  async reset(a: NodeId, b: NodeId): Promise<Json> {
    return { sockets: await this.#fabric.kill(a, this.#fabric.address(b)) };
  }

  async resetClients(node: NodeId): Promise<Json> {
    return { sockets: await this.#fabric.kill(node, this.#fabric.tester) };
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** Name of the far end of the tester's interface until it is moved. */
function peerName(number: number): string {
  return `faultline${number}p`;
}

/** Whose it is, so that a reaper, or a later run, knows what it may remove. It is the interface's alias. */
interface Owner {
  readonly mark: string;
  readonly pid: number;
  /** In clock ticks since the machine started: pids are used again. */
  readonly started: string;
}

/** When a process started; undefined if there is none of that number. */
function startOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Draws a free number by creating its interface. */
async function draw(mark: string): Promise<number> {
  const taken = Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address),
  );
  const owner: Owner = { mark, pid: process.pid, started: startOf(process.pid) as string };
  let refusal = "";
  for (let number = 0; number < RUNS; number++) {
    if (taken.some((address) => address.startsWith(`10.213.${number}.`))) continue;
    const name = `${PREFIX}${number}`;
    try {
      await run(["ip", "link", "add", name, "type", "veth", "peer", "name", peerName(number)]);
    } catch (error) {
      refusal = (error as Error).message;
      if (refusal.includes("File exists")) continue;
      throw error;
    }
    await run(["ip", "link", "set", name, "alias", JSON.stringify(owner)]);
    return number;
  }
  throw new Error(`all ${RUNS} networks of 10.213.0.0/16 are in use: ${refusal}`);
}

/** Ends what still runs in the namespaces of a run, and removes them and its interface. Does nothing twice. */
async function remove(number: number): Promise<void> {
  for (const name of namespacesOf(number)) {
    const pids = await run(["ip", "netns", "pids", name]).catch(() => "");
    for (const pid of pids.split("\n").filter((line) => line !== ""))
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    await run(["ip", "netns", "del", name]).catch(() => undefined);
  }
  await run(["ip", "link", "del", `${PREFIX}${number}`]).catch(() => undefined);
}

function namespacesOf(number: number): string[] {
  if (!fs.existsSync("/run/netns")) return [];
  return fs.readdirSync("/run/netns").filter((name) => name.startsWith(`${PREFIX}${number}-`));
}

/** Removes the networks of all runs of which `condition` holds. */
async function removeWhere(condition: (owner: Owner) => boolean): Promise<void> {
  const links = JSON.parse(await run(["ip", "-j", "link", "show", "type", "veth"])) as readonly {
    readonly ifname?: string;
    readonly ifalias?: string;
  }[];
  for (const { ifname = "", ifalias } of links) {
    const number = /^faultline-(\d+)$/.exec(ifname)?.[1];
    if (number !== undefined && ifalias !== undefined && condition(JSON.parse(ifalias) as Owner))
      await remove(Number(number));
  }
}

/** Removes what the run with this mark has. Does nothing where it can have nothing. */
export async function removeNamespaces(mark: string): Promise<void> {
  if (lacksNamespaces() === undefined) await removeWhere((owner) => owner.mark === mark);
}

/** Removes what runs have left of which neither the tester nor its reaper is there any more. */
export async function removeAbandoned(): Promise<void> {
  await removeWhere(({ pid, started }) => startOf(pid) !== started);
}
