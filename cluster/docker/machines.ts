/**
 * Containers as machines: a network of the run's own, with a fixed address for each member.
 *
 * A member's network belongs to a container that does nothing (its *anchor*), so it stays as it is while the member is
 * killed and started. One more container is in the daemon's own network, where the bridge between members is: a table
 * of the firewall there spoils links, all those of a fault at one moment. It knows only the run's addresses.
 */
import fs from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type Docker from "dockerode";
import type { Links } from "../../src/cluster.ts";
import type { NodeId } from "../../src/history/op.ts";
import { type Plan, UsageError } from "../../src/plan.ts";
import type { Custody } from "../real/custody.ts";
import { Firewall } from "../real/firewall.ts";
import { FirewallLinks, type Switch } from "../real/firewall-links.ts";
import type { Machines, Member, MemberOptions } from "../real/machines.ts";
import { nodesOf } from "../real/stage.ts";
import type { MemberSpec, Packed, System } from "../systems/system.ts";
import { ContainerMember } from "./container.ts";
import { connect, execute } from "./engine.ts";
import { imageWith, present } from "./image.ts";
import { labelsOf, nameOf, TOOLS } from "./labels.ts";
import { removeAbandoned } from "./removal.ts";

/** Networks of runs: 10.214.0.0/24 up to 10.214.255.0/24. */
const NETWORKS = 256;
/** Addresses within one. The first is the daemon's machine, where the tester is. */
const TESTER = 1;
const FIRST_MEMBER = 11;
/** Where a member's volume is in it. */
const VOLUME = "/data";
/** So that a connection that was cut for long is used again soon after: half a minute of TCP's back-off would go by. */
const LONGEST_RETRANSMISSION = { name: "net.ipv4.tcp_rto_max_ms", value: "1000" };
const FOREVER = ["sleep", "infinity"];

export class DockerMachines implements Machines, Switch {
  readonly firewall: Firewall;
  readonly links: Links;
  readonly #docker: Docker;
  readonly #plan: Plan;
  readonly #system: System<unknown>;
  readonly #custody: Custody;
  readonly #nodes: readonly NodeId[];
  readonly #packed: Packed;
  /** Image of the containers that do not run a member. */
  #tools = "";
  /** Image of those that do. */
  #image = "";
  /** The third byte of its addresses. */
  #network = 0;
  readonly #anchors = new Map<NodeId, Docker.Container>();
  #switch: Docker.Container | undefined;

  private constructor(docker: Docker, plan: Plan, system: System<unknown>, custody: Custody) {
    this.#docker = docker;
    this.#plan = plan;
    this.#system = system;
    this.#custody = custody;
    this.#nodes = nodesOf(plan);
    this.#packed = system.packed(plan);
    this.firewall = new Firewall(nameOf(custody.mark));
    this.links = new FirewallLinks(this);
  }

  /** Rejects with nothing left behind if the daemon does not let it. */
  static async create(plan: Plan, system: System<unknown>, custody: Custody): Promise<DockerMachines> {
    try {
      const docker = await connect();
      await removeAbandoned(docker);
      const machines = new DockerMachines(docker, plan, system, custody);
      await machines.#build();
      return machines;
    } catch (error) {
      await custody.close();
      throw error;
    }
  }

  address(node: NodeId): string {
    const index = this.#nodes.indexOf(node);
    if (index < 0) throw new Error(`no member is called ${node}`);
    return `10.214.${this.#network}.${FIRST_MEMBER + index}`;
  }

  directory(node: NodeId): string {
    return `${VOLUME}/${node}`;
  }

  get tester(): string {
    return `10.214.${this.#network}.${TESTER}`;
  }

  member(node: NodeId, options: MemberOptions): Member {
    const volume = this.#name(node);
    const common = {
      name: volume,
      Image: this.#image,
      Labels: this.#labels,
      HostConfig: {
        NetworkMode: `container:${this.#name(node, "anchor")}`,
        Binds: [`${volume}:${VOLUME}`],
      },
    };
    const container = (spec: MemberSpec): Docker.ContainerOptions => {
      const { words, environment = {} } = this.#system.invocation(spec, this.#plan);
      const [program, ...rest] = this.#packed.command;
      return {
        ...common,
        Entrypoint: [program as string],
        Cmd: [...rest, ...words],
        Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
      };
    };
    const freshVolume = async (): Promise<void> => {
      await this.#docker.getVolume(volume).remove();
      await this.#makeVolume(node);
    };
    return new ContainerMember(
      {
        docker: this.#docker,
        container,
        shell: { ...common, Entrypoint: ["sleep"], Cmd: [] },
        freshVolume,
        directory: this.directory(node),
      },
      options,
    );
  }

  nft(words: readonly string[]): Promise<string> {
    return execute(this.#docker, this.#switch as Docker.Container, ["nft", ...words]);
  }

  async reset(node: NodeId, address: string): Promise<number> {
    const anchor = this.#anchors.get(node) as Docker.Container;
    const gone = await execute(this.#docker, anchor, ["ss", "-K", "-H", "-t", "dst", address]);
    return gone.split("\n").filter((line) => line !== "").length;
  }

  /** The reaper does it. */
  async close(): Promise<void> {
    await this.#custody.close();
  }

  get #labels(): { readonly [name: string]: string } {
    return { ...labelsOf(this.#custody.mark), [TOOLS]: this.#tools };
  }

  #name(...parts: readonly string[]): string {
    return [nameOf(this.#custody.mark), ...parts].join("-");
  }

  async #build(): Promise<void> {
    const { image, files } = this.#packed;
    this.#tools = await imageWith(
      this.#docker,
      files,
      this.#plan.docker.baseImage,
      join(this.#custody.directory, "image"),
    );
    this.#image = image === undefined ? this.#tools : (await present(this.#docker, image)).name;
    await this.#drawNetwork();
    const { name, value } = LONGEST_RETRANSMISSION;
    const known = fs.existsSync(`/proc/sys/${name.replaceAll(".", "/")}`);
    await Promise.all([
      ...this.#nodes.map(async (node) => {
        await this.#makeVolume(node);
        const anchor = await this.#idle(
          this.#name(node, "anchor"),
          {
            NetworkMode: this.#name(),
            CapAdd: ["NET_ADMIN"],
            ...(known ? { Sysctls: { [name]: value } } : {}),
          },
          this.address(node),
        );
        this.#anchors.set(node, anchor);
      }),
      (async () => {
        this.#switch = await this.#idle(this.#name("switch"), {
          NetworkMode: "host",
          CapDrop: ["ALL"],
          CapAdd: ["NET_ADMIN"],
        });
        await this.nft([this.firewall.empty()]);
      })(),
    ]);
    this.#requireReach();
  }

  /** A container that does nothing by itself. */
  async #idle(
    name: string,
    host: Docker.ContainerOptions["HostConfig"],
    address?: string,
  ): Promise<Docker.Container> {
    const [program, ...words] = FOREVER as [string, ...string[]];
    const container = await this.#docker.createContainer({
      name,
      Image: this.#tools,
      Entrypoint: [program],
      Cmd: words,
      Labels: this.#labels,
      HostConfig: host,
      ...(address === undefined
        ? {}
        : {
            NetworkingConfig: {
              EndpointsConfig: { [host.NetworkMode]: { IPAMConfig: { IPv4Address: address } } },
            },
          }),
    });
    await container.start();
    return container;
  }

  async #makeVolume(node: NodeId): Promise<void> {
    await this.#docker.createVolume({ Name: this.#name(node), Labels: labelsOf(this.#custody.mark) });
  }

  /** Draws a free network: the daemon does not give the same addresses twice. */
  async #drawNetwork(): Promise<void> {
    let refusal: unknown;
    for (let network = 0; network < NETWORKS; network++) {
      try {
        await this.#docker.createNetwork({
          Name: this.#name(),
          Driver: "bridge",
          Internal: true,
          Labels: labelsOf(this.#custody.mark),
          IPAM: {
            Config: [{ Subnet: `10.214.${network}.0/24`, Gateway: `10.214.${network}.${TESTER}` }],
          },
        });
        this.#network = network;
        return;
      } catch (error) {
        refusal = error;
        if (!/overlap/i.test((error as Error).message)) throw error;
      }
    }
    throw new Error("all networks of 10.214.0.0/16 are in use", { cause: refusal });
  }

  /** The tester speaks to members at their own addresses. */
  #requireReach(): void {
    const own = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses);
    if (!own.some(({ address }) => address === this.tester))
      throw new UsageError(
        "the Docker daemon has a network namespace of its own, so its containers cannot be reached from here: run faultline in it (nsenter --net=/proc/PID/ns/net)",
      );
  }
}
