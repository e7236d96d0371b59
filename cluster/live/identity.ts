/**
 * Who a member is. Ids are hashes of what does not change, as in etcd: a member's of the URLs its peers reach it at
 * and the cluster's token, the cluster's of its founders. They are kept in the data directory, which belongs to one
 * member of one cluster for good.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import { join } from "node:path";
import type { MemberId } from "../raft/message.ts";
import { replaceFileNow } from "./disk.ts";

const FILE = "identity.json";
/** Ids have to fit into the log's records. */
const ID_BYTES = 6;

export interface Identity {
  readonly clusterId: number;
  readonly member: MemberId;
  readonly name: string;
  /** Its log has been opened: from then on an empty log is a lost one. */
  readonly started: boolean;
  /** Digest of the snapshot it was restored from, if it was. */
  readonly origin?: string;
}

/** `salt` tells apart members that had the same URLs one after the other. */
export function memberIdOf(peerUrls: readonly string[], token: string, salt = ""): MemberId {
  return idOf([...[...peerUrls].sort(), token, salt]);
}

/** `origin` tells apart clusters that began with other states. */
export function clusterIdOf(members: readonly MemberId[], token: string, origin = ""): number {
  const founders = [...members].sort((a, b) => a - b).map(String);
  return idOf([...founders, token, ...(origin === "" ? [] : [origin])]);
}

/** As etcd's tools print ids. */
export function hexId(id: number): string {
  return id.toString(16);
}

function idOf(parts: readonly string[]): number {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest();
  // Zero means nobody.
  return digest.readUIntBE(0, ID_BYTES) || 1;
}

/** Undefined for a directory that belongs to nobody yet. Throws on a damaged file. */
export function readIdentity(dataDirectory: string): Identity | undefined {
  const path = join(dataDirectory, FILE);
  if (!fs.existsSync(path)) return undefined;
  try {
    const { clusterId, member, name, started, origin } = JSON.parse(
      fs.readFileSync(path, "utf8"),
    ) as Identity;
    if (Number.isSafeInteger(clusterId) && Number.isSafeInteger(member) && typeof name === "string") {
      const identity = { clusterId, member, name, started: started === true };
      return typeof origin === "string" ? { ...identity, origin } : identity;
    }
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`);
  }
  throw new Error(`${path} does not say whose directory this is`);
}

export function writeIdentity(dataDirectory: string, identity: Identity): void {
  replaceFileNow(join(dataDirectory, FILE), `${JSON.stringify(identity, null, 2)}\n`);
}
