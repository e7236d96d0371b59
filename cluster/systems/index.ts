/** Systems under test by name. */
import type { KvApi } from "../api.ts";
import { etcd } from "./etcd.ts";
import { raftkv } from "./raftkv.ts";
import type { System } from "./system.ts";

export const systems: readonly System<KvApi>[] = [raftkv, etcd];
