/** Removes what a run has at the daemon: containers, volumes, its network, and the firewall's table. */
import os from "node:os";
import type Docker from "dockerode";
import { reapAbandoned } from "../real/reap.ts";
import { connect } from "./engine.ts";
import { HOST, labelsOf, nameOf, RUN, TOOLS } from "./labels.ts";

/** Looks in a row that must find nothing: a request of a tester that is gone may still be carried out. */
const CLEAN_LOOKS = 2;
const PAUSE_MS = 100;

interface Remains {
  readonly containers: readonly Docker.Found[];
  readonly networks: readonly Docker.FoundNetwork[];
  readonly volumes: readonly Docker.FoundVolume[];
}

async function find(docker: Docker, label: string): Promise<Remains> {
  const filters = { label: [label] };
  const [containers, networks, { Volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return { containers, networks, volumes: Volumes ?? [] };
}

/** Removes all that bears the mark. */
export async function removeRun(mark: string): Promise<void> {
  const docker = await connect();
  for (let clean = 0; clean < CLEAN_LOOKS; ) {
    const { containers, networks, volumes } = await find(docker, `${RUN}=${mark}`);
    clean = containers.length + networks.length + volumes.length === 0 ? clean + 1 : 0;
    await all(containers.map(({ Id }) => docker.getContainer(Id).remove({ force: true })));
    const image = containers[0]?.Labels[TOOLS];
    if (image !== undefined) await removeTable(docker, mark, image);
    await all(volumes.map(({ Name }) => docker.getVolume(Name).remove()));
    await all(networks.map(({ Id }) => docker.getNetwork(Id).remove()));
    if (clean < CLEAN_LOOKS) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** Removes what runs of this machine have left whose reaper is gone as well. */
export async function removeAbandoned(docker: Docker): Promise<void> {
  const { containers, networks, volumes } = await find(docker, `${HOST}=${os.hostname()}`);
  const marks = [...containers, ...networks, ...volumes].flatMap(({ Labels }) => Labels[RUN] ?? []);
  await reapAbandoned(marks, removeRun);
}

/** The table is in the daemon's own network, where only a container of that network can remove it. */
async function removeTable(docker: Docker, mark: string, image: string): Promise<void> {
  const table = `table bridge ${nameOf(mark)}`;
  const container = await docker.createContainer({
    name: `${nameOf(mark)}-end`,
    Image: image,
    Entrypoint: ["nft"],
    // Adding it first makes removing it never fail.
    Cmd: [`add ${table}\ndelete ${table}`],
    Labels: labelsOf(mark),
    HostConfig: { NetworkMode: "host", CapDrop: ["ALL"], CapAdd: ["NET_ADMIN"] },
  });
  await container.start();
  await container.wait();
  await container.remove({ force: true });
}

/** Carries removals out; what somebody else removes at the same time is removed as well. */
async function all(removals: readonly Promise<unknown>[]): Promise<void> {
  for (const { reason } of (await Promise.allSettled(removals)) as { readonly reason?: unknown }[]) {
    const { statusCode } = (reason ?? {}) as { readonly statusCode?: number };
    // 404: gone; 409: about to go, or still in use by what is. The next look tells.
    if (reason !== undefined && statusCode !== 404 && statusCode !== 409) throw reason;
  }
}
