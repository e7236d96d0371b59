/**
 * How a new member finds out who it is: an existing member has added it to the cluster under its URLs, and tells it
 * the id it was given there.
 */

import { type Protocol, SECOND } from "../../src/runtime/runtime.ts";
import { isObject } from "../kv/check.ts";
import type { Member } from "../node/membership.ts";
import { jsonProtocol } from "../node/protocol.ts";
import type { MemberId } from "../raft/message.ts";
import type { TlsFiles } from "./credentials.ts";
import { EventLoop } from "./event-loop.ts";
import type { Log } from "./log.ts";
import { LiveNetwork } from "./network.ts";
import { liveClock } from "./runtime.ts";

export const MEMBERS_PORT = "members";
/** Room for a thousand members. */
export const MEMBERS_LIMIT = 1 << 20;

export type MembersMessage =
  | { readonly type: "ask" }
  | { readonly type: "members"; readonly clusterId: number; readonly members: readonly Member[] };

export const membersProtocol: Protocol<MembersMessage> = jsonProtocol(MEMBERS_PORT, isObject);

/** How long to look for a member that knows of the new one. */
const PATIENCE = 20 * SECOND;
const ATTEMPT_MS = 3_000;
const PAUSE_MS = 250;

/** Who the cluster's members, reached at `nodes`, say that `self` is. Rejects after a while. */
export async function askMembers(
  nodes: readonly string[],
  self: string,
  security: TlsFiles | undefined,
  log: Log,
): Promise<{ readonly clusterId: number; readonly member: MemberId }> {
  const deadline = liveClock.monotonic() + PATIENCE;
  let problem = "there is nobody to ask";
  while (liveClock.monotonic() < deadline) {
    for (const node of nodes) {
      const answer = await ask(node, self, security, log);
      if (typeof answer === "string") {
        problem = `${node}: ${answer}`;
        continue;
      }
      const found = answer.members.find((member) => member.node === self);
      if (found !== undefined) return { clusterId: answer.clusterId, member: found.id };
      problem = `${node} knows of no member at ${self}: it has to be added to the cluster first`;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`cannot join the cluster: ${problem}`);
}

function ask(
  node: string,
  self: string,
  security: TlsFiles | undefined,
  log: Log,
): Promise<Extract<MembersMessage, { type: "members" }> | string> {
  return new Promise((resolve) => {
    const loop = new EventLoop((error) => resolve(String(error)));
    const network = new LiveNetwork({
      loop,
      log,
      self: { clusterId: 0, member: 0, node: self },
      tls: security,
      ports: { [MEMBERS_PORT]: { limit: MEMBERS_LIMIT, stranger: false } },
    });
    const finish = (answer: Extract<MembersMessage, { type: "members" }> | string) => {
      clearTimeout(timer);
      network.end();
      loop.end();
      resolve(answer);
    };
    const timer = setTimeout(() => finish("no answer"), ATTEMPT_MS);
    const connection = network.dial(`${node}:${MEMBERS_PORT}`, membersProtocol, {
      message: (message) => {
        if (message.type === "members") finish(message);
      },
      closed: finish,
    });
    connection.send({ type: "ask" });
  });
}
