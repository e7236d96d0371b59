/** Finds and reads the folders that etcd's robustness tests leave behind. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { readJsonValues } from "../history/formats/json.ts";
import { type ClientReport, readRobustness } from "../history/formats/robustness.ts";
import { FormatError, TextSource } from "../history/formats/text-source.ts";
import { History, MalformedHistory } from "../history/history.ts";
import type { Json } from "../history/op.ts";
import { UsageError } from "../plan.ts";

export const ROBUSTNESS_REPORT = "report of etcd's robustness tests";

const FILES = { operations: "operations.json", watches: "watch.json" } as const;

/** The folders of its clients; none if it is no such report. */
function clientsOf(path: string): readonly string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [];
  const clients = readdirSync(path).filter((name) => /^client-\d+$/.test(name));
  return clients
    .sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)))
    .map((name) => join(path, name))
    .filter((client) => Object.values(FILES).some((file) => existsSync(join(client, file))));
}

export function isRobustnessReport(path: string): boolean {
  return clientsOf(path).length > 0;
}

/** Throws UsageError that names the file. */
export function readRobustnessReport(path: string): History {
  const reports = clientsOf(path).map(
    (client): ClientReport => ({
      operations: values(join(client, FILES.operations)),
      watches: values(join(client, FILES.watches)),
    }),
  );
  return named(path, () => new History([...readRobustness(reports)]));
}

function values(file: string): readonly Json[] {
  if (!existsSync(file)) return [];
  // Leases are 64 bits, more than a number holds.
  const text = readFileSync(file, "utf8").replace(/"LeaseID":\s*(-?\d+)/g, '"LeaseID": "$1"');
  return named(file, () => [...readJsonValues(new TextSource([text]))]);
}

function named<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError || error instanceof MalformedHistory)
      throw new UsageError(`${file}: ${error.message}`);
    throw error;
  }
}
