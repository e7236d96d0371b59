/** Messages in a few words, for space-time diagrams. */
import type { ClientMessage, PeerMessage, ServerMessage, SnapshotTransfer } from "../node/protocol.ts";

export function describeMessage(protocol: string, message: unknown): string {
  if (protocol === "peer") return describePeer(message as PeerMessage);
  if (protocol === "client") return describeClient(message as ClientMessage | ServerMessage);
  const transfer = message as SnapshotTransfer;
  return `snapshot ${transfer.type}`;
}

function describePeer(message: PeerMessage): string {
  switch (message.type) {
    case "append": {
      const { previousIndex, entries, term } = message;
      const first = previousIndex + 1;
      const span =
        entries.length === 0
          ? "nothing"
          : entries.length === 1
            ? `${first}`
            : `${first}..${previousIndex + entries.length}`;
      return `append ${span}, term ${term}`;
    }
    case "append-response":
      return message.reject
        ? `refuses ${message.index}, term ${message.term}`
        : `has ${message.index}, term ${message.term}`;
    case "heartbeat":
      return `heartbeat, term ${message.term}`;
    case "heartbeat-response":
      return `alive, term ${message.term}`;
    case "vote":
      return `vote for me, term ${message.term}`;
    case "pre-vote":
      return `would you vote for me, term ${message.term}`;
    case "vote-response":
    case "pre-vote-response":
      return `${message.reject ? "no" : "yes"}, term ${message.term}`;
    case "propose":
      return `propose ${message.entries.length}`;
    case "read-index":
    case "read-index-response":
    case "timeout-now":
    case "transfer-leader":
      return `${message.type}, term ${message.term}`;
    default:
      return message.type;
  }
}

function describeClient(message: ClientMessage | ServerMessage): string {
  switch (message.kind) {
    case "request":
    case "member":
      return message.request.kind;
    case "response":
      return `${message.response.kind}: revision ${message.header.revision}`;
    case "error":
      return message.error.message;
    case "watch-response":
      return `watch: ${message.response.kind}`;
    default:
      return message.kind;
  }
}
