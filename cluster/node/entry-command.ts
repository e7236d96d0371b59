/**
 * The command of a log entry. The members of a simulated cluster share the bytes of an entry as it travels, and all
 * of them apply it at about the same time, so what was decoded last is remembered: by identity, since bytes that
 * came back from a disk or off a wire may differ.
 */
import { decodeCommand } from "../kv/codec.ts";
import type { Command } from "../kv/command.ts";
import { CorruptLogError } from "../raft/log.ts";
import type { Entry, Index } from "../raft/message.ts";
import { proposalBody } from "./proposal.ts";

interface Decoded {
  readonly data: Uint8Array;
  readonly command: Command;
}

/** How far apart in the log members may be and still share. */
const PLACES = 256;
const decoded: (Decoded | undefined)[] = Array<undefined>(PLACES).fill(undefined);

/** Throws CorruptLogError on bytes that hold no command. */
export function commandOf({ index, data }: Entry): Command {
  const place = index % PLACES;
  const known = decoded[place];
  if (known !== undefined && known.data === data) return known.command;
  const command = decode(index, data);
  decoded[place] = { data, command };
  return command;
}

function decode(index: Index, data: Uint8Array): Command {
  try {
    return decodeCommand(proposalBody(data));
  } catch (error) {
    throw new CorruptLogError(`entry ${index} holds no command: ${(error as Error).message}`);
  }
}
