/**
 * Certificates and keys as their files are now: like etcd, a server looks at them with each connection, so that they
 * can be replaced while it runs. Files that make no sense together, as in the middle of their replacement, change
 * nothing.
 */
import tls from "node:tls";
import type { Log } from "./log.ts";

/** PEM texts, which may be others the next time they are looked at. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  /** Who may sign the certificate of the other end; those the system trusts if there is none. */
  readonly ca?: string | undefined;
  /** Whether the dialling end must have a certificate too. */
  readonly clientCertAuth: boolean;
}

export class Credentials {
  readonly #files: TlsFiles;
  readonly #log: Log;
  #current: tls.SecureContextOptions;
  /** Why the files as they are now are not used, as it was told. */
  #complaint = "";

  /** Throws if the files make no sense. */
  constructor(files: TlsFiles, log: Log) {
    this.#files = files;
    this.#log = log;
    this.#current = this.#read();
    tls.createSecureContext(this.#current);
  }

  /** The same object until they change. */
  get current(): tls.SecureContextOptions {
    try {
      const now = this.#read();
      const { cert, key, ca } = this.#current;
      if (now.cert === cert && now.key === key && now.ca === ca) return this.#current;
      tls.createSecureContext(now);
      this.#current = now;
      this.#complaint = "";
      this.#log.info({}, "certificates were replaced");
    } catch (error) {
      const { message: reason } = error as Error;
      if (reason !== this.#complaint) this.#log.warn({ reason }, "new certificates cannot be used");
      this.#complaint = reason;
    }
    return this.#current;
  }

  /** A server that shows them, with other options of its own. */
  serve(options: tls.TlsOptions): tls.Server {
    const { clientCertAuth } = this.#files;
    let shown = this.current;
    const server = tls.createServer({
      ...options,
      ...shown,
      requestCert: clientCertAuth,
      rejectUnauthorized: clientCertAuth,
    });
    // Before the handshake.
    server.prependListener("connection", () => {
      const { current } = this;
      if (current === shown) return;
      shown = current;
      server.setSecureContext({ ...options, ...shown });
    });
    return server;
  }

  #read(): tls.SecureContextOptions {
    const { cert, key, ca } = this.#files;
    return { cert, key, ...(ca === undefined ? {} : { ca }), minVersion: "TLSv1.2" };
  }
}
