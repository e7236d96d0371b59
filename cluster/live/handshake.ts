/** How a connection between members begins: one frame each way. */
import type { MemberId } from "../raft/message.ts";

const PROTOCOL = "faultline-peer";
/** Of the messages too: raised whenever members of two releases would misunderstand each other. */
const VERSION = 1;
/** Of the names in it: they are repeated in logs. */
const MAX_NAME = 2048;

export interface Hello {
  /** 0 for one that has yet to learn it. */
  readonly clusterId: number;
  readonly member: MemberId;
  /** Where the dialling end is reached. */
  readonly node: string;
  readonly port: string;
}

export function encodeHello(hello: Hello): Uint8Array {
  return Buffer.from(JSON.stringify({ protocol: PROTOCOL, version: VERSION, ...hello }));
}

/** Throws on anything else. */
export function decodeHello(bytes: Uint8Array): Hello {
  const fields = parse(bytes);
  const { protocol, version, clusterId, member, node, port } = fields;
  if (protocol !== PROTOCOL) throw new Error("not a member of a cluster");
  if (version !== VERSION) throw new Error(`speaks version ${toldVersion(version)}, not ${VERSION}`);
  if (!isId(clusterId) || !isId(member) || !isName(node) || !isName(port))
    throw new Error("a malformed handshake");
  return { clusterId, member, node, port };
}

export function encodeWelcome(refusal: string | undefined): Uint8Array {
  return Buffer.from(JSON.stringify({ protocol: PROTOCOL, version: VERSION, ...(refusal && { refusal }) }));
}

/** Why the other end refuses; undefined if it agrees. Throws on anything else. */
export function decodeWelcome(bytes: Uint8Array): string | undefined {
  const { protocol, version, refusal } = parse(bytes);
  if (protocol !== PROTOCOL) throw new Error("not a member of a cluster");
  if (refusal !== undefined) return `refused: ${String(refusal).slice(0, MAX_NAME)}`;
  if (version !== VERSION) throw new Error(`speaks version ${toldVersion(version)}, not ${VERSION}`);
  return undefined;
}

function parse(bytes: Uint8Array): { readonly [field: string]: unknown } {
  try {
    const fields: unknown = JSON.parse(Buffer.from(bytes).toString());
    if (typeof fields === "object" && fields !== null) return fields as { readonly [field: string]: unknown };
  } catch {
    // Told below.
  }
  throw new Error("not a member of a cluster");
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_NAME;
}

function toldVersion(version: unknown): string {
  return String(JSON.stringify(version)).slice(0, 40);
}
