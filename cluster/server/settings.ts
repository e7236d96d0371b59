/**
 * What a server is told: a table of settings under etcd's names. Each may be given as a flag, in the environment
 * (`FAULTLINE_DATA_DIR`, or `ETCD_DATA_DIR` for what etcd's own images set), or in a YAML file, the earlier of these
 * taking precedence over the later.
 */
import { parse as parseYaml } from "yaml";

/** A mistake in what the server was told: what is wrong, and what would be right. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

export interface Setting {
  readonly name: string;
  /** How the value is written; undefined for a switch. */
  readonly value: string | undefined;
  readonly summary: string;
  /** Undefined if it follows from others, or is off. */
  readonly default?: string;
}

export const settings: readonly Setting[] = [
  { name: "name", value: "<name>", summary: "the member's name", default: "default" },
  { name: "data-dir", value: "<directory>", summary: "where it keeps its data (default: NAME.faultline)" },
  {
    name: "listen-client-urls",
    value: "<urls>",
    summary: "where it serves clients",
    default: "http://127.0.0.1:2379",
  },
  {
    name: "advertise-client-urls",
    value: "<urls>",
    summary: "where clients find it (default: listen-client-urls)",
  },
  {
    name: "listen-peer-urls",
    value: "<urls>",
    summary: "where it listens to other members",
    default: "http://127.0.0.1:2380",
  },
  {
    name: "initial-advertise-peer-urls",
    value: "<urls>",
    summary: "where other members find it (default: listen-peer-urls)",
  },
  {
    name: "initial-cluster",
    value: "<name=url,…>",
    summary: "the founders of the cluster, or its members for one that joins (default: the member alone)",
  },
  {
    name: "initial-cluster-state",
    value: "<state>",
    summary: "new, or existing for a member that joins",
    default: "new",
  },
  {
    name: "initial-cluster-token",
    value: "<token>",
    summary: "tells apart clusters founded at the same URLs",
    default: "faultline-cluster",
  },
  { name: "heartbeat-interval", value: "<ms>", summary: "milliseconds between heartbeats", default: "100" },
  {
    name: "election-timeout",
    value: "<ms>",
    summary: "milliseconds without a heartbeat until an election",
    default: "1000",
  },
  { name: "snapshot-count", value: "<entries>", summary: "entries between two snapshots", default: "10000" },
  {
    name: "snapshot-catchup-entries",
    value: "<entries>",
    summary: "entries before a snapshot that are kept for members that are behind",
    default: "5000",
  },
  {
    name: "auto-compaction-mode",
    value: "<mode>",
    summary: "periodic or revision",
    default: "periodic",
  },
  {
    name: "auto-compaction-retention",
    value: "<amount>",
    summary: "how much history to keep: a time such as 1h, or a number of revisions; 0 keeps all",
    default: "0",
  },
  {
    name: "quota-backend-bytes",
    value: "<bytes>",
    summary: "size of the store above which it takes no more writes; 0 for 2 GiB, or half of a smaller heap",
    default: "0",
  },
  { name: "max-txn-ops", value: "<count>", summary: "operations of a transaction at most", default: "128" },
  {
    name: "max-request-bytes",
    value: "<bytes>",
    summary: "size of a client's request at most",
    default: "1572864",
  },
  { name: "cert-file", value: "<file>", summary: "certificate for clients' connections, PEM" },
  { name: "key-file", value: "<file>", summary: "its key, PEM" },
  { name: "trusted-ca-file", value: "<file>", summary: "who signs clients' certificates, PEM" },
  { name: "client-cert-auth", value: undefined, summary: "refuse clients without a signed certificate" },
  { name: "peer-cert-file", value: "<file>", summary: "certificate for connections of members, PEM" },
  { name: "peer-key-file", value: "<file>", summary: "its key, PEM" },
  { name: "peer-trusted-ca-file", value: "<file>", summary: "who signs members' certificates, PEM" },
  { name: "peer-client-cert-auth", value: undefined, summary: "refuse members without a signed certificate" },
  {
    name: "auth-token",
    value: "<kind>",
    summary: "tokens of users: simple, or jwt with its options",
    default: "simple",
  },
  {
    name: "bcrypt-cost",
    value: "<cost>",
    summary: "how much work hashing a password is, from 4 to 31",
    default: "10",
  },
  {
    name: "log-level",
    value: "<level>",
    summary: "debug, info, warn or error",
    default: "info",
  },
];

/** Texts by the setting's name. */
export type Given = ReadonlyMap<string, string>;

const byName = new Map(settings.map((setting) => [setting.name, setting]));

/** Environment variables that set `name`, the one that counts first. */
export function variablesOf(name: string): readonly [string, string] {
  const upper = name.toUpperCase().replaceAll("-", "_");
  return [`FAULTLINE_${upper}`, `ETCD_${upper}`];
}

export function fromEnvironment(environment: { readonly [name: string]: string | undefined }): Given {
  const given = new Map<string, string>();
  for (const { name } of settings)
    for (const variable of variablesOf(name)) {
      const text = environment[variable];
      if (text !== undefined && !given.has(name)) given.set(name, text);
    }
  return given;
}

/** Sections of etcd's file, and what stands before the names in them. */
const SECTIONS: { readonly [section: string]: string } = {
  "client-transport-security": "",
  "peer-transport-security": "peer-",
};

/** Throws SettingsError. */
export function fromFile(text: string, path: string): Given {
  const given = new Map<string, string>();
  let document: unknown;
  try {
    document = parseYaml(text);
  } catch (error) {
    throw new SettingsError(`${path} is no YAML: ${(error as Error).message.split("\n")[0]}`);
  }
  const add = (fields: unknown, prefix: string): void => {
    if (typeof fields !== "object" || fields === null || Array.isArray(fields))
      throw new SettingsError(`${path} has to be a mapping of settings`);
    for (const [field, value] of Object.entries(fields)) {
      const section = SECTIONS[field];
      if (section !== undefined && prefix === "") {
        add(value, section);
        continue;
      }
      const name = `${prefix}${field}`;
      if (!byName.has(name))
        throw new SettingsError(`${path}: there is no setting ${JSON.stringify(field)}${suggestion(name)}`);
      if (typeof value === "object")
        throw new SettingsError(`${path}: ${field} has to be a text, a number or a boolean`);
      given.set(name, String(value));
    }
  };
  if (document !== null) add(document, "");
  return given;
}

function suggestion(name: string): string {
  const near = settings.find((setting) => setting.name.replaceAll("-", "") === name.replaceAll(/[-_]/g, ""));
  return near === undefined ? "" : `; did you mean ${near.name}?`;
}

/** What holds of each setting: the first of `sources` that says something, or the default. */
export function merge(sources: readonly Given[]): Given {
  const merged = new Map<string, string>();
  for (const { name, default: fallback } of settings) {
    const text = sources.find((source) => source.has(name))?.get(name) ?? fallback;
    if (text !== undefined) merged.set(name, text);
  }
  return merged;
}
