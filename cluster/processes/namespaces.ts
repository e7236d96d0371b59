/**
 * A network of its own for each member: network namespaces of the kernel, joined by a bridge in a namespace of the
 * run's own, where a firewall spoils the links. The tester joins by an interface of its own. Linux, as root.
 *
 * Nothing of the machine's is changed: its firewall and settings are not touched, and what is added, one interface and
 * some named namespaces, bears the run's mark from the moment it is there. So does every command that adds something:
 * whoever kills the marked processes first, and removes what bears the mark then, leaves nothing.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import type { Links } from "../../src/cluster.ts";
import type { NodeId } from "../../src/history/op.ts";
import { onPath } from "../installation.ts";
import { Firewall } from "../real/firewall.ts";
import { FirewallLinks, type Switch } from "../real/firewall-links.ts";
import { MARK } from "../real/mark.ts";
import { reapAbandoned } from "../real/reap.ts";
import type { Fabric } from "./fabric.ts";

const execute = promisify(execFile);

/** Networks of runs: 10.213.0.0/24 up to 10.213.255.0/24. */
const NETWORKS = 256;
/** Names of the tester's interface, of its other end until that is moved, and of namespaces; then comes the mark. */
const NEAR = "fl-";
const FAR = "fp-";
const SPACE = "faultline-";
/** Whose interface or namespace it is. */
const OWN = /^(?:fl-|faultline-)([0-9a-f]{12})(?:-|$)/;
/** So that a connection that was cut for long is used again soon after: half a minute of TCP's back-off would go by. */
const LONGEST_RETRANSMISSION = { file: "/proc/sys/net/ipv4/tcp_rto_max_ms", value: "1000" };

/** Addresses within 10.213.N.0/24. */
const TESTER = 1;
const FIRST_MEMBER = 11;

/** The words before a command that runs it in a namespace. */
function within(namespace: string): readonly string[] {
  return ["nsenter", `--net=/run/netns/${namespace}`, "--"];
}

/** A user who may make namespaces is root in one of their own. */
const AS_ROOT =
  "run it with sudo, or unshare -Urnm --map-root-user sh -c 'mount -t tmpfs run /run && ip link set lo up && npx faultline …'";

/** Rejects with what the command wrote to stderr. */
async function run([command, ...words]: readonly string[], input?: string, mark?: string): Promise<string> {
  const env = mark === undefined ? process.env : { ...process.env, [MARK]: mark };
  const done = execute(command as string, words, { env });
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
  if (process.getuid?.() !== 0) return `network namespaces need root: ${AS_ROOT}`;
  for (const [tool, source] of [
    ["ip", "iproute2"],
    ["ss", "iproute2"],
    ["nft", "nftables"],
    ["nsenter", "util-linux"],
  ] as const)
    if (onPath(tool) === undefined) return `the command ${tool} is missing: apt-get install ${source}`;
  return undefined;
}

export class Namespaces implements Fabric, Switch {
  readonly firewall = new Firewall("faultline");
  readonly links: Links;
  readonly #mark: string;
  readonly #nodes: readonly NodeId[];
  /** The third byte of its addresses. */
  #network = 0;

  private constructor(mark: string, nodes: readonly NodeId[]) {
    this.#mark = mark;
    this.#nodes = nodes;
    this.links = new FirewallLinks(this);
  }

  /** Builds the network of the run with this mark. Rejects, with nothing left behind, if the machine does not let it. */
  static async create(nodes: readonly NodeId[], mark: string): Promise<Namespaces> {
    await removeAbandoned();
    const fabric = new Namespaces(mark, nodes);
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
    return `10.213.${this.#network}.${FIRST_MEMBER + index}`;
  }

  inside(node: NodeId, command: readonly string[]): readonly string[] {
    return [...within(this.#namespace(node)), ...command];
  }

  nft(words: readonly string[]): Promise<string> {
    return this.#run([...within(this.#switch), "nft", ...words]);
  }

  async reset(node: NodeId, address: string): Promise<number> {
    const gone = await this.#run(this.inside(node, ["ss", "-K", "-H", "-t", "dst", address]));
    return gone.split("\n").filter((line) => line !== "").length;
  }

  get tester(): string {
    return `10.213.${this.#network}.${TESTER}`;
  }

  async close(): Promise<void> {
    await removeNamespaces(this.#mark);
  }

  get #switch(): string {
    return this.#namespace("switch");
  }

  #namespace(what: string): string {
    return `${SPACE}${this.#mark}-${what}`;
  }

  #run(words: readonly string[], input?: string): Promise<string> {
    return run(words, input, this.#mark);
  }

  async #build(): Promise<void> {
    const bridge = this.#switch;
    const [near, far] = [NEAR + this.#mark, FAR + this.#mark];
    await this.#run(["ip", "link", "add", near, "type", "veth", "peer", "name", far]);
    await this.#run(["ip", "link", "set", near, "up"]);
    await this.#drawNetwork(near);
    for (const name of [bridge, ...this.#nodes.map((node) => this.#namespace(node))])
      await this.#run(["ip", "netns", "add", name]);
    const own = [
      `link set ${far} netns ${bridge} name tester`,
      `addr add ${this.tester}/24 dev ${near} noprefixroute`,
    ];
    await this.#run(["ip", "-batch", "-"], own.join("\n"));
    const bridged = ["link add bridge type bridge", "link set bridge up", "link set tester master bridge up"];
    for (const node of this.#nodes)
      bridged.push(
        `link add ${node} type veth peer name eth0 netns ${this.#namespace(node)}`,
        `link set ${node} master bridge up`,
      );
    await this.#run(["ip", "-n", bridge, "-batch", "-"], bridged.join("\n"));
    await Promise.all(
      this.#nodes.map(async (node) => {
        const theirs = ["link set lo up", `addr add ${this.address(node)}/24 dev eth0`, "link set eth0 up"];
        await this.#run(["ip", "-n", this.#namespace(node), "-batch", "-"], theirs.join("\n"));
        const { file, value } = LONGEST_RETRANSMISSION;
        if (fs.existsSync(file)) await this.#run(this.inside(node, ["sh", "-c", `echo ${value} > ${file}`]));
      }),
    );
    await this.nft([this.firewall.empty()]);
  }

  /** Draws a free network by adding its route, which the kernel lets only one do. */
  async #drawNetwork(near: string): Promise<void> {
    const taken = Object.values(networkInterfaces()).flatMap((addresses = []) =>
      addresses.map(({ address }) => address),
    );
    for (let network = 0; network < NETWORKS; network++) {
      if (taken.some((address) => address.startsWith(`10.213.${network}.`))) continue;
      try {
        await this.#run(["ip", "route", "add", `10.213.${network}.0/24`, "dev", near]);
      } catch (error) {
        if ((error as Error).message.includes("File exists")) continue;
        throw error;
      }
      this.#network = network;
      return;
    }
    throw new Error(`all ${NETWORKS} networks of 10.213.0.0/16 are in use`);
  }
}

/** Ends what still runs in the namespaces of the run with this mark, and removes them and its interface. */
export async function removeNamespaces(mark: string): Promise<void> {
  if (lacksNamespaces() !== undefined) return;
  for (const name of namespaces().filter((each) => each.startsWith(`${SPACE}${mark}-`))) {
    const pids = await run(["ip", "netns", "pids", name]).catch(() => "");
    for (const pid of pids.split("\n").filter((line) => line !== ""))
      try {
        process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended meanwhile.
      }
    await run(["ip", "netns", "del", name]).catch(() => undefined);
  }
  await run(["ip", "link", "del", NEAR + mark]).catch(() => undefined);
}

/** Removes what runs have left whose reaper is gone as well. */
export async function removeAbandoned(): Promise<void> {
  const names = [...namespaces(), ...fs.readdirSync("/sys/class/net")];
  await reapAbandoned(
    names.flatMap((name) => OWN.exec(name)?.[1] ?? []),
    removeNamespaces,
  );
}

function namespaces(): string[] {
  return fs.existsSync("/run/netns") ? fs.readdirSync("/run/netns") : [];
}
