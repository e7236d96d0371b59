import type { AddressInfo } from "node:net";
import tls from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createAuthority } from "../server/certificates.ts";
import { Credentials } from "./credentials.ts";
import { silent } from "./log.ts";

const authority = createAuthority("test", 10);
const issue = () => authority.issue("server", ["127.0.0.1"]);

describe("credentials", () => {
  const files = { ...issue(), ca: authority.cert as string | undefined, clientCertAuth: true };
  const told: string[] = [];
  let server: tls.Server;
  beforeEach(async () => {
    Object.assign(files, issue(), { ca: authority.cert });
    told.length = 0;
    const note = (_fields: object, message: string) => told.push(message);
    server = new Credentials(files, { ...silent, info: note, warn: note }).serve({});
    server.on("secureConnection", (socket) => socket.end("hello"));
    server.on("tlsClientError", () => {});
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => server.close());

  /** The certificate that the server shows to a client with one of its own, and what it says then. */
  function ask(client = authority.issue("client", [])): Promise<{ shown: string; said: string }> {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve) => {
      const socket = tls.connect({ host: "127.0.0.1", port, servername: "", ca: authority.cert, ...client });
      let shown = "";
      let said = "";
      socket.on("data", (data) => {
        said += data;
      });
      socket.on("secureConnect", () => {
        shown = socket.getPeerX509Certificate()?.toString() ?? "";
      });
      // A client learns that it is refused when it thinks that all is well.
      socket.on("error", () => {});
      socket.on("close", () => resolve({ shown, said }));
    });
  }

  it("are shown as they are when a client connects", async () => {
    expect(await ask()).toEqual({ shown: files.cert, said: "hello" });
    Object.assign(files, issue());
    expect(await ask()).toEqual({ shown: files.cert, said: "hello" });
    expect(await ask()).toEqual({ shown: files.cert, said: "hello" });
    expect(told).toEqual(["certificates were replaced"]);
  });

  it("stay what they were while the new ones make no sense", async () => {
    const { cert } = files;
    const renewed = issue();
    files.cert = renewed.cert;
    expect(await ask()).toEqual({ shown: cert, said: "hello" });
    expect(await ask()).toEqual({ shown: cert, said: "hello" });
    files.key = renewed.key;
    expect(await ask()).toEqual({ shown: renewed.cert, said: "hello" });
    expect(told).toEqual(["new certificates cannot be used", "certificates were replaced"]);
  });

  it("decide whose certificates are believed from then on", async () => {
    const other = createAuthority("other", 10);
    expect((await ask(other.issue("client", []))).said).toBe("");
    files.ca = other.cert;
    expect(await ask(other.issue("client", []))).toEqual({ shown: files.cert, said: "hello" });
    expect((await ask()).said).toBe("");
  });
});
