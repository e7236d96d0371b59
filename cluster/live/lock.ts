/**
 * One process per data directory. The lock is a socket that the kernel closes with the process, however it ends, so
 * that a crash never leaves a lock behind; whoever finds it taken is told by whom.
 */
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";

/** How long a holder may take to say who it is. */
const PATIENCE_MS = 1_000;

export interface DirectoryLock {
  release(): void;
}

/** Rejects if another process has the directory, or this one has it already. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const address = lockAddress(directory);
  for (;;) {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.end(String(process.pid));
    });
    const taken = await new Promise<boolean>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) =>
        error.code === "EADDRINUSE" ? resolve(true) : reject(error),
      );
      server.listen(address, () => resolve(false));
    });
    if (!taken) {
      server.unref();
      return { release: () => server.close() };
    }
    const holder = await askHolder(address);
    if (holder !== undefined)
      throw new Error(`the data directory ${directory} is in use by process ${holder}`);
    // A socket file that nobody listens on was left by a process that is gone.
    if (!address.startsWith("\0")) fs.rmSync(address, { force: true });
  }
}

/** Linux has names for sockets that live only as long as they do; elsewhere it is a file in the directory. */
function lockAddress(directory: string): string {
  if (process.platform !== "linux") return join(directory, "lock");
  const { dev, ino } = fs.statSync(directory, { bigint: true });
  return `\0faultline-data-${dev}-${ino}`;
}

function askHolder(address: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(address);
    let answer = "";
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on("data", (data) => {
      answer += data.toString();
    });
    let gone = false;
    socket.on("error", (error: NodeJS.ErrnoException) => {
      gone = error.code === "ECONNREFUSED" || error.code === "ENOENT";
    });
    socket.on("close", () => resolve(gone ? undefined : answer || "(it does not answer)"));
  });
}
