/** A server: one member of a cluster and its edge to clients, from start to end. */
import { type Logger, pino } from "pino";
import { type Edge, serveEtcd } from "../etcd/server.ts";
import { type LiveMember, startMember } from "../live/member.ts";
import { compactAutomatically } from "./auto-compaction.ts";
import type { Configuration } from "./configuration.ts";

/** Exit codes: it was told to stop; it cannot go on; it must not start as it was told. */
const STOPPED = 0;
const FAILED = 1;
const REFUSED = 254;

/** Serves until a signal or a failure ends it. Gives the exit code; logs go to standard error, one JSON a line. */
export async function serve(configuration: Configuration): Promise<number> {
  const log = pino(
    {
      level: configuration.logLevel,
      timestamp: pino.stdTimeFunctions.isoTime,
      base: { name: configuration.member.name },
    },
    pino.destination({ dest: 2, sync: true }),
  );
  let member: LiveMember;
  try {
    member = await startMember({ ...configuration.member, log });
  } catch (error) {
    log.fatal({ reason: (error as Error).message }, "cannot start");
    return REFUSED;
  }
  const { retention } = configuration;
  const stopCompacting = retention === undefined ? undefined : compactAutomatically(member, retention);
  const code = await untilTheEnd(member, configuration, log);
  stopCompacting?.();
  return code;
}

async function untilTheEnd(
  member: LiveMember,
  { client, member: { tuning } }: Configuration,
  log: Logger,
): Promise<number> {
  let edge: Edge;
  try {
    edge = await serveEtcd(member, client);
  } catch (error) {
    log.fatal({ reason: (error as Error).message }, "cannot serve clients");
    await member.stop();
    return REFUSED;
  }
  if (tuning.bug !== "") log.warn({ bug: tuning.bug }, "a planted bug is switched on");
  log.info({ ports: edge.ports }, "ready to serve clients");
  let told = false;
  const stop = (signal: NodeJS.Signals): void => {
    // Who asks twice does not want to wait.
    if (told) process.exit(FAILED);
    told = true;
    log.info({ signal }, "stopping");
    edge
      .close()
      .then(() => member.stop())
      .catch((error: unknown) => log.error({ reason: String(error) }, "could not stop in order"));
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  const reason = await member.ended;
  await edge.close();
  process.off("SIGTERM", stop);
  process.off("SIGINT", stop);
  if (told) log.info({}, "stopped");
  else log.fatal({ reason }, "the member cannot go on");
  return told ? STOPPED : FAILED;
}
