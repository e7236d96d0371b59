/** How members that are processes are connected with each other and with the tester. */
import type { Links } from "../../src/cluster.ts";
import type { NodeId } from "../../src/history/op.ts";

export interface Fabric {
  /** IP address of a member; the ports on it are the member's own. */
  address(node: NodeId): string;
  /** A command as it has to be started to run at that place of the network. */
  inside(node: NodeId, command: readonly string[]): readonly string[];
  readonly links?: Links;
  close(): Promise<void>;
}
