/** `faultline kv`: a member of the built-in store as a server of its own, and what goes with it. */
import fs from "node:fs";
import { join } from "node:path";
import { stdout } from "node:process";
import { Command, Option } from "commander";
import { makeDirectoryNow } from "../../cluster/live/disk.ts";
import { createAuthority } from "../../cluster/server/certificates.ts";
import { configure } from "../../cluster/server/configuration.ts";
import { EXPERIMENT, withExperiment } from "../../cluster/server/experiment.ts";
import { inspect, NoDataDirectory } from "../../cluster/server/inspect.ts";
import {
  fromEnvironment,
  fromFile,
  type Given,
  merge,
  SettingsError,
  settings,
} from "../../cluster/server/settings.ts";
import { UsageError } from "../plan.ts";
import { snapshotCommand } from "./kv-snapshot.ts";

export function kvCommand(): Command {
  return new Command("kv")
    .description("serve the built-in key-value store, which speaks etcd's API")
    .addCommand(startCommand())
    .addCommand(inspectCommand())
    .addCommand(snapshotCommand())
    .addCommand(certsCommand());
}

function startCommand(): Command {
  const command = new Command("start").description("serve one member of a cluster");
  for (const { name, value, summary, default: fallback } of settings) {
    const text = fallback === undefined ? summary : `${summary} (default: ${fallback})`;
    command.addOption(new Option(`--${name} ${value ?? "[true|false]"}`, text));
  }
  return command
    .option("--config-file <file>", "settings as YAML; flags and the environment override it")
    .action(async (flags: { readonly [attribute: string]: string | true | undefined }) => {
      const configuration = usage(() => {
        const environment = fromEnvironment(process.env);
        const file = flags.configFile ?? process.env.FAULTLINE_CONFIG_FILE ?? process.env.ETCD_CONFIG_FILE;
        const sources = [fromFlags(command, flags), environment];
        if (typeof file === "string") sources.push(fromFile(readFile(file), file));
        return withExperiment(configure(merge(sources)), process.env[EXPERIMENT]);
      });
      // With gRPC and all that: the other commands shall not wait for it.
      const { serve } = await import("../../cluster/server/main.ts");
      process.exitCode = await serve(configuration);
    });
}

function fromFlags(
  command: Command,
  flags: { readonly [attribute: string]: string | true | undefined },
): Given {
  const given = new Map<string, string>();
  for (const option of command.options) {
    const value = flags[option.attributeName()];
    if (value !== undefined) given.set(option.name(), String(value));
  }
  return given;
}

function readFile(path: string): string {
  try {
    return fs.readFileSync(path, "utf8");
  } catch (error) {
    throw new SettingsError(`--config-file: ${(error as Error).message}`);
  }
}

function inspectCommand(): Command {
  return new Command("inspect")
    .description("tell what lies in a data directory: log, snapshots, damage")
    .argument("<directory>", "a member's data directory")
    .action((directory: string) => {
      const { lines, damage } = usage(() => inspect(directory));
      for (const line of lines) stdout.write(`${line}\n`);
      process.exitCode = damage === undefined ? 0 : 1;
    });
}

function certsCommand(): Command {
  return new Command("certs")
    .description("make certificates to try TLS with: an authority, a server, a client")
    .argument("<directory>", "where to put them; made if it does not exist")
    .option("--hosts <names>", "names and addresses of the server", "localhost,127.0.0.1")
    .option("--client <name>", "common name of the client", "client")
    .option("--days <count>", "how long they are valid", "365")
    .action((directory: string, { hosts, client, days }: { hosts: string; client: string; days: string }) => {
      const valid = Number(days);
      if (!(Number.isInteger(valid) && valid >= 1 && valid <= 36_500))
        throw new UsageError(`--days ${JSON.stringify(days)} has to be an integer from 1 to 36500`);
      const authority = createAuthority("faultline test authority", valid);
      const certificates = {
        ca: authority,
        server: authority.issue("faultline server", hosts.split(",")),
        client: authority.issue(client, []),
      };
      makeDirectoryNow(directory);
      for (const [name, { cert, key }] of Object.entries(certificates)) {
        fs.writeFileSync(join(directory, `${name}.crt`), cert);
        fs.writeFileSync(join(directory, `${name}.key`), key, { mode: 0o600 });
        stdout.write(`${join(directory, name)}.crt, .key\n`);
      }
    });
}

/** A mistake in the settings is a mistake in how the command was called. */
function usage<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof SettingsError || error instanceof NoDataDirectory)
      throw new UsageError(error.message);
    throw error;
  }
}
