/** `faultline kv snapshot`: the state of a member in a file, and back. */
import fs from "node:fs";
import { stdout } from "node:process";
import { Command, Option } from "commander";
import { hexId } from "../../cluster/live/identity.ts";
import { configureFounder } from "../../cluster/server/configuration.ts";
import { restoreSnapshot, SnapshotFileError, snapshotStatus } from "../../cluster/server/saved-snapshot.ts";
import { merge, SettingsError, settings } from "../../cluster/server/settings.ts";
import { UsageError } from "../plan.ts";

/** What `restore` is told, of all that a server is. */
const FOUNDER_SETTINGS: ReadonlySet<string> = new Set([
  "name",
  "data-dir",
  "initial-cluster",
  "initial-cluster-token",
  "initial-advertise-peer-urls",
]);

export function snapshotCommand(): Command {
  return new Command("snapshot")
    .description("keep the state of a member in a file, and begin a new cluster with it")
    .addCommand(saveCommand())
    .addCommand(statusCommand())
    .addCommand(restoreCommand());
}

interface SaveFlags {
  readonly endpoint: string;
  readonly cacert?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly user?: string;
}

function saveCommand(): Command {
  return new Command("save")
    .description("fetch the state of a member into a file")
    .argument("<file>", "where to put it; replaced as a whole")
    .option("--endpoint <url>", "where the member serves clients", "http://127.0.0.1:2379")
    .option("--cacert <file>", "who signs the member's certificate, PEM")
    .option("--cert <file>", "certificate of this client, PEM")
    .option("--key <file>", "its key, PEM")
    .option("--user <name:password>", "whom to be: root, where rights are looked at")
    .action(async (path: string, flags: SaveFlags) => {
      const { cacert, cert, key, user } = flags;
      const url = URL.canParse(flags.endpoint) ? new URL(flags.endpoint) : undefined;
      if (url === undefined || !/^https?:$/.test(url.protocol) || url.port === "")
        throw new UsageError(`--endpoint ${JSON.stringify(flags.endpoint)} has to be http(s)://host:port`);
      if ((cert === undefined) !== (key === undefined))
        throw new UsageError("--cert and --key have to be given together");
      const colon = user?.indexOf(":") ?? 0;
      if (user !== undefined && colon < 1)
        throw new UsageError(`--user ${JSON.stringify(user)} has to be name:password`);
      const tls = {
        ...text("ca", "cacert", cacert),
        ...text("cert", "cert", cert),
        ...text("key", "key", key),
      };
      const source = {
        address: url.host,
        tls: url.protocol === "https:" ? tls : undefined,
        user:
          user === undefined ? undefined : { name: user.slice(0, colon), password: user.slice(colon + 1) },
      };
      const { saveSnapshot } = await import("../../cluster/server/snapshot-save.ts");
      try {
        await saveSnapshot(source, path);
      } catch (error) {
        throw new UsageError(`the state of ${flags.endpoint} cannot be saved: ${(error as Error).message}`);
      }
      stdout.write(`saved ${path}, ${fs.statSync(path).size} bytes\n`);
    });
}

function text<F extends string>(field: F, flag: string, path: string | undefined): { [name in F]?: string } {
  if (path === undefined) return {};
  try {
    return { [field]: fs.readFileSync(path, "utf8") } as { [name in F]: string };
  } catch (error) {
    throw new UsageError(`--${flag}: ${(error as Error).message}`);
  }
}

function statusCommand(): Command {
  return new Command("status")
    .description("check a file, and tell what is in it")
    .argument("<file>", "what `save`, or `etcdctl snapshot save`, has written")
    .addOption(
      new Option("-w, --write-out <form>", "how to tell").choices(["table", "json"]).default("table"),
    )
    .action((path: string, { writeOut }: { writeOut: string }) => {
      const status = usage(() => snapshotStatus(path));
      const { hash, revision, totalKey, totalSize } = status;
      const cells = { hash: hash.toString(16), revision, "total keys": totalKey, "total size": totalSize };
      stdout.write(writeOut === "json" ? `${JSON.stringify(status)}\n` : table(cells));
    });
}

/** One row under its names, as etcdctl draws it. */
function table(cells: { readonly [name: string]: string | number }): string {
  const columns = Object.entries(cells).map(([name, value]) => {
    const width = Math.max(name.length, String(value).length);
    const head = name.toUpperCase().padStart((width + name.length) >> 1);
    return { rule: "-".repeat(width), head: head.padEnd(width), value: String(value).padStart(width) };
  });
  const rule = `+${columns.map((column) => `-${column.rule}-`).join("+")}+\n`;
  const row = (part: "head" | "value") => `|${columns.map((column) => ` ${column[part]} `).join("|")}|\n`;
  return `${rule}${row("head")}${rule}${row("value")}${rule}`;
}

function restoreCommand(): Command {
  const command = new Command("restore")
    .description("make the data directory of a founder of a new cluster that begins with a saved state")
    .argument("<file>", "the same for every founder");
  for (const { name, value, summary, default: fallback } of settings)
    if (FOUNDER_SETTINGS.has(name) && value !== undefined)
      command.addOption(
        new Option(
          `--${name} ${value}`,
          fallback === undefined ? summary : `${summary} (default: ${fallback})`,
        ),
      );
  return command.action((snapshot: string, flags: { readonly [attribute: string]: string | undefined }) => {
    const given = new Map<string, string>();
    for (const option of command.options) {
      const value = flags[option.attributeName()];
      if (value !== undefined) given.set(option.name(), value);
    }
    const { dataDirectory, identity } = usage(() => {
      const founder = configureFounder(merge([given]));
      return { ...founder, identity: restoreSnapshot({ ...founder, snapshot }) };
    });
    const { member, clusterId } = identity;
    stdout.write(
      `restored ${dataDirectory}: member ${hexId(member)} of the new cluster ${hexId(clusterId)}\n`,
    );
  });
}

/** A file that is no snapshot is a mistake in how the command was called. */
function usage<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof SettingsError || error instanceof SnapshotFileError)
      throw new UsageError(error.message);
    throw error;
  }
}
