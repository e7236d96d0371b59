/** What founders know of their cluster before it exists, from the words they were all told. */
import { clusterIdOf, memberIdOf } from "./identity.ts";

export interface Founding {
  /** Peer URLs by the member's name. */
  readonly initialCluster: ReadonlyMap<string, readonly string[]>;
  /** Tells apart clusters founded at the same URLs. */
  readonly token: string;
}

export function founders({ initialCluster, token }: Founding) {
  return [...initialCluster].map(([name, urls]) => ({
    name,
    id: memberIdOf(urls, token),
    node: nodeOf(urls),
    learner: false,
  }));
}

/** `origin`: digest of the snapshot that the cluster takes over; those who took over another are strangers. */
export function foundedId(founding: Founding, origin: string | undefined): number {
  const ids = founders(founding).map(({ id }) => id);
  return clusterIdOf(ids, founding.token, origin);
}

/** The name under which the nodes know a member: where it is reached. */
export function nodeOf(peerUrls: readonly string[]): string {
  return [...peerUrls].sort().join(",");
}
