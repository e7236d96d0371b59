/** Fetches the state of a member, as etcdctl does. */
import fs from "node:fs";
import { dirname } from "node:path";
import { ChannelCredentials, Metadata } from "@grpc/grpc-js";
import { AuthClient, MaintenanceClient, type SnapshotResponse } from "../etcd/generated/rpc.ts";
import { syncNamesNow } from "../live/disk.ts";
import { checkSnapshot } from "./saved-snapshot.ts";

export interface Source {
  /** "host:port" */
  readonly address: string;
  /** PEM texts; undefined for a connection in the clear. */
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  readonly user: { readonly name: string; readonly password: string } | undefined;
}

const DEADLINE_MS = 10_000;

/** Rejects with an error of gRPC's, of the file system's, or SnapshotFileError; then the file is not there. */
export async function saveSnapshot(source: Source, path: string): Promise<void> {
  const { address, tls } = source;
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  const credentials =
    tls === undefined
      ? ChannelCredentials.createInsecure()
      : ChannelCredentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert));
  const metadata = new Metadata();
  if (source.user !== undefined) metadata.set("token", await authenticate(source, credentials));
  const client = new MaintenanceClient(address, credentials);
  const aside = `${path}.part`;
  const descriptor = fs.openSync(aside, "w", 0o600);
  try {
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + DEADLINE_MS, (error) => (error ? reject(error) : resolve())),
    );
    for await (const { blob } of client.snapshot({}, metadata) as AsyncIterable<SnapshotResponse>)
      fs.writeFileSync(descriptor, blob);
    fs.fsyncSync(descriptor);
    checkSnapshot(aside);
    fs.renameSync(aside, path);
    syncNamesNow(dirname(path));
  } catch (error) {
    fs.rmSync(aside, { force: true });
    throw error;
  } finally {
    fs.closeSync(descriptor);
    client.close();
  }
}

function authenticate({ address, user }: Source, credentials: ChannelCredentials): Promise<string> {
  const client = new AuthClient(address, credentials);
  const request = { name: user?.name ?? "", password: user?.password ?? "" };
  return new Promise<string>((resolve, reject) => {
    client.authenticate(request, new Metadata(), { deadline: Date.now() + DEADLINE_MS }, (error, answer) =>
      error === null ? resolve(answer.token) : reject(error),
    );
  }).finally(() => client.close());
}
