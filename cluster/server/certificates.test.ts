import { X509Certificate } from "node:crypto";
import type net from "node:net";
import tls from "node:tls";
import { expect, it } from "vitest";
import { createAuthority } from "./certificates.ts";

const authority = createAuthority("test authority", 30);
const server = authority.issue("server", ["localhost", "127.0.0.1", "fe80::1"]);
const client = authority.issue("some client", []);

/** What the server's side and the client's side make of a handshake. */
async function handshake(
  options: tls.ConnectionOptions,
  serverOptions: tls.TlsOptions = {},
): Promise<{ readonly seen: string; readonly error: string | undefined }> {
  const listener = tls.createServer({ ...server, ca: authority.cert, ...serverOptions });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as net.AddressInfo;
  const seen = new Promise<string>((resolve) => {
    listener.on("secureConnection", (socket) => {
      resolve(String(socket.getPeerCertificate().subject?.CN));
      socket.end("hello");
    });
    listener.on("tlsClientError", (error) => resolve(error.message));
  });
  const error = await new Promise<string | undefined>((resolve) => {
    const socket = tls.connect({ port, host: "127.0.0.1", servername: "", ca: authority.cert, ...options });
    socket.on("data", () => {});
    socket.on("error", (failure) => resolve(failure.message));
    socket.on("close", () => resolve(undefined));
  });
  listener.close();
  return { seen: error === undefined || serverOptions.requestCert ? await seen : "", error };
}

it("are what they claim to be", () => {
  const ca = new X509Certificate(authority.cert);
  const leaf = new X509Certificate(server.cert);
  expect(ca.ca).toBe(true);
  expect(leaf.ca).toBe(false);
  expect(leaf.checkIssued(ca)).toBe(true);
  expect(leaf.verify(ca.publicKey)).toBe(true);
  expect(leaf.subjectAltName).toBe("DNS:localhost, IP Address:127.0.0.1, IP Address:FE80:0:0:0:0:0:0:1");
  expect(leaf.checkHost("localhost")).toBe("localhost");
  expect(leaf.checkHost("elsewhere")).toBeUndefined();
  const days = (new Date(leaf.validTo).getTime() - Date.now()) / 86_400_000;
  expect(Math.round(days)).toBe(30);
});

it("join a client and a server that know the authority, with a certificate at both ends", async () => {
  expect(await handshake({})).toEqual({ seen: "undefined", error: undefined });
  expect(await handshake(client, { requestCert: true })).toEqual({ seen: "some client", error: undefined });
});

it("do not vouch for other hosts, nor for what another authority has signed", async () => {
  expect((await handshake({ servername: "elsewhere", host: "127.0.0.1" })).error).toContain("does not match");
  const other = createAuthority("other authority", 30);
  expect((await handshake({ ca: other.cert })).error).toMatch(/verify|self.signed|issuer/);
  const stranger = other.issue("stranger", []);
  const refused = await handshake(stranger, { requestCert: true });
  expect(refused.seen).not.toBe("stranger");
});

it("last beyond the year 2049, when dates are written anew", () => {
  const ages = createAuthority("ages", 40 * 365);
  expect(new Date(new X509Certificate(ages.cert).validTo).getFullYear()).toBeGreaterThan(2050);
});
