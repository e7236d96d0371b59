/** What is the same for all whose members take etcd's flags and speak its API. */
import type { Json, Nanos } from "../../src/history/op.ts";
import { ClusterService, MaintenanceService } from "../etcd/generated/rpc.ts";
import { EtcdClient } from "../etcd-client/client.ts";
import type { Control, MemberSpec, Membership } from "./system.ts";

/** etcd's own. Every member has an address to itself. */
const CLIENT_PORT = 2379;
const PEER_PORT = 2380;

const clientUrl = (address: string): string => `http://${address}:${CLIENT_PORT}`;
const peerUrl = (address: string): string => `http://${address}:${PEER_PORT}`;

/** Who the member is, where it listens, and whom it knows. */
export function memberFlags({ name, address, directory, cluster, founding }: MemberSpec): string[] {
  return [
    ...["--name", name, "--data-dir", directory],
    ...["--listen-client-urls", clientUrl(address), "--advertise-client-urls", clientUrl(address)],
    ...["--listen-peer-urls", peerUrl(address), "--initial-advertise-peer-urls", peerUrl(address)],
    ...["--initial-cluster", cluster.map((peer) => `${peer.name}=${peerUrl(peer.address)}`).join(",")],
    ...["--initial-cluster-state", founding ? "new" : "existing"],
  ];
}

export function connect(address: string, timeout: Nanos): EtcdClient {
  return new EtcdClient(`${address}:${CLIENT_PORT}`, { timeout });
}

export class EtcdControl implements Control {
  readonly #client: EtcdClient;
  readonly members: Membership;

  constructor(address: string, timeout: Nanos) {
    this.#client = connect(address, timeout);
    this.members = membership(this.#client);
  }

  /** A lease that nothing hangs on. */
  async probe(): Promise<void> {
    const { id } = await this.#client.request({ kind: "lease-grant", id: "0", ttl: 60 });
    await this.#client.request({ kind: "lease-revoke", id });
  }

  async leads(): Promise<number | undefined> {
    const { header, leader, raftTerm } = await this.#client.ask(MaintenanceService.status, {});
    return leader !== 0n && leader === header?.memberId ? Number(raftTerm) : undefined;
  }

  async compact(keep: number): Promise<Json> {
    const { header } = await this.#client.request({ kind: "range", key: "\0", countOnly: true });
    const revision = header.revision - keep;
    if (revision < 1) return "nothing to compact";
    await this.#client.request({ kind: "compact", revision });
    return { revision };
  }

  close(): void {
    this.#client.close();
  }
}

function membership(client: EtcdClient): Membership {
  return {
    async list() {
      const { members } = await client.ask(ClusterService.memberList, { linearizable: true });
      return members.map(({ ID, peerURLs, isLearner }) => ({
        id: String(ID),
        address: new URL(peerURLs[0] as string).hostname,
        learner: isLearner,
      }));
    },
    async add(address, isLearner) {
      const added = await client.ask(ClusterService.memberAdd, { peerURLs: [peerUrl(address)], isLearner });
      return String(added.member?.ID);
    },
    async promote(id) {
      await client.ask(ClusterService.memberPromote, { ID: BigInt(id) });
    },
    async remove(id) {
      await client.ask(ClusterService.memberRemove, { ID: BigInt(id) });
    },
    async transferLeader(to) {
      await client.ask(MaintenanceService.moveLeader, { targetID: BigInt(to) });
    },
  };
}
