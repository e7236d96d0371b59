/** Commands as bytes for the replicated log: JSON, whose characters are the bytes. */
import type { Command } from "./command.ts";

const KINDS: ReadonlySet<string> = new Set<Command["kind"]>([
  "put",
  "delete-range",
  "txn",
  "compact",
  "lease-grant",
  "lease-revoke",
  "lease-checkpoint",
  "alarm",
  "auth-enable",
  "auth-disable",
  "authenticate",
  "user-add",
  "user-delete",
  "user-change-password",
  "user-grant-role",
  "user-revoke-role",
  "role-add",
  "role-delete",
  "role-grant-permission",
  "role-revoke-permission",
]);

export function encodeCommand(command: Command): Uint8Array {
  return Buffer.from(JSON.stringify(command), "latin1");
}

/**
 * The command that was encoded. Throws on bytes that hold no command; what is inside one is trusted,
 * as the log has checked its bytes.
 */
export function decodeCommand(bytes: Uint8Array): Command {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("kind" in value) || !KINDS.has(value.kind as string)) {
    throw new Error("not a command of the key-value store");
  }
  return value as Command;
}
