/**
 * Who a call comes from: the token in its metadata says it, or else the common name in the client's certificate.
 * Tokens are of one of two kinds, as in etcd. Simple ones are random, known to all members through the store, and
 * lapse when a member has not seen them for five minutes. JSON Web Tokens say whose they are and until when, and are
 * good for the rights the user had when they were signed.
 */
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject, randomInt } from "node:crypto";
import fs from "node:fs";
import { errors, jwtVerify, SignJWT } from "jose";
import { ErrInvalidAuthToken } from "../kv/errors.ts";
import type { Caller } from "../kv/request.ts";
import { fromText, toText } from "./convert.ts";
import type { LocalMember } from "./member.ts";
import { type Call, RpcError } from "./rpc.ts";

/** Metadata that carry a token: gRPC's, and what the JSON gateway's clients send. */
const TOKEN_FIELDS = ["token", "authorization"] as const;
const SIMPLE_TTL_MS = 5 * 60 * 1000;
const SIMPLE_LENGTH = 16;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DEFAULT_JWT_TTL = 5 * 60;

export interface Tokens {
  /** Whether all members have to be told of a token before it is good. */
  readonly shared: boolean;
  /** `user` as the store names it. */
  issue(user: string, revision: number): Promise<string>;
  /** Whose it is; rejects or throws RpcError if it is nobody's. */
  holder(token: string): Caller | Promise<Caller>;
}

export class Authentication {
  readonly #node: LocalMember["node"];
  readonly tokens: Tokens;

  /** `flag` is what etcd's --auth-token takes. Throws when it makes no sense, or its files cannot be read. */
  constructor({ node }: LocalMember, flag = "simple") {
    this.#node = node;
    this.tokens = flag === "simple" ? new SimpleTokens(node) : new WebTokens(parseFlag(flag));
  }

  /** Nobody while there is no authentication. Throws or rejects with RpcError. */
  caller(call: Call): Caller | undefined | Promise<Caller> {
    const { auth } = this.#node.store;
    if (!auth.enabled) return undefined;
    for (const field of TOKEN_FIELDS) {
      const token = call.metadata(field);
      if (token !== undefined) return this.tokens.holder(token);
    }
    const { commonName } = call;
    return commonName === undefined ? undefined : { user: fromText(commonName), revision: auth.revision };
  }
}

function invalid(): RpcError {
  return RpcError.of(ErrInvalidAuthToken);
}

class SimpleTokens implements Tokens {
  readonly shared = true;
  readonly #node: LocalMember["node"];
  /** When this member saw a token last. Wall clock, milliseconds. */
  readonly #seen = new Map<string, number>();

  constructor(node: LocalMember["node"]) {
    this.#node = node;
  }

  async issue(): Promise<string> {
    const letters = Array.from({ length: SIMPLE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]);
    return `${letters.join("")}.${this.#node.header().revision}`;
  }

  holder(token: string): Caller {
    const { auth } = this.#node.store;
    const found = auth.token(token);
    const now = Date.now();
    const last = Math.max(found?.issued ?? 0, this.#seen.get(token) ?? 0);
    if (found === undefined || now - last > SIMPLE_TTL_MS) {
      this.#seen.delete(token);
      throw invalid();
    }
    this.#seen.set(token, now);
    return { user: found.user, revision: auth.revision };
  }
}

interface WebTokenOptions {
  readonly method: string;
  /** Missing where tokens are only verified. */
  readonly sign: KeyObject | undefined;
  readonly verify: KeyObject;
  /** Seconds. */
  readonly ttl: number;
}

class WebTokens implements Tokens {
  readonly shared = false;
  readonly #options: WebTokenOptions;

  constructor(options: WebTokenOptions) {
    this.#options = options;
  }

  issue(user: string, revision: number): Promise<string> {
    const { method, sign, ttl } = this.#options;
    if (sign === undefined)
      throw new RpcError("UNKNOWN", "auth: token signing attempted with verify-only key");
    const expires = Math.floor(Date.now() / 1000) + ttl;
    return new SignJWT({ username: toText(user), revision })
      .setProtectedHeader({ alg: method, typ: "JWT" })
      .setExpirationTime(expires)
      .sign(sign);
  }

  async holder(token: string): Promise<Caller> {
    const { method, verify } = this.#options;
    try {
      const { payload } = await jwtVerify(token, verify, { algorithms: [method] });
      const { username, revision } = payload;
      if (typeof username !== "string" || typeof revision !== "number") throw invalid();
      return { user: fromText(username), revision };
    } catch (error) {
      if (error instanceof errors.JOSEError) throw invalid();
      throw error;
    }
  }
}

/** "jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=5m" */
function parseFlag(flag: string): WebTokenOptions {
  const [kind, ...pairs] = flag.split(",");
  const fields = new Map(pairs.map((pair) => pair.split("=", 2) as [string, string | undefined]));
  const method = fields.get("sign-method");
  if (kind !== "jwt" || method === undefined || !/^(HS|RS|ES|PS)(256|384|512)$/.test(method))
    throw new Error(
      `--auth-token ${flag} is neither "simple" nor "jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=5m"`,
    );
  for (const name of fields.keys())
    if (!["pub-key", "priv-key", "sign-method", "ttl"].includes(name))
      throw new Error(`--auth-token has no option ${name}; it has pub-key, priv-key, sign-method and ttl`);
  const [privateFile, publicFile] = [fields.get("priv-key"), fields.get("pub-key")];
  const file = privateFile ?? publicFile;
  if (file === undefined) throw new Error("--auth-token jwt needs a pub-key or a priv-key");
  const ttl = fields.has("ttl") ? seconds(fields.get("ttl") ?? "") : DEFAULT_JWT_TTL;
  if (method.startsWith("HS")) {
    const secret = createSecretKey(fs.readFileSync(file));
    return { method, sign: secret, verify: secret, ttl };
  }
  const sign = privateFile === undefined ? undefined : createPrivateKey(fs.readFileSync(privateFile));
  return { method, sign, verify: createPublicKey(fs.readFileSync(publicFile ?? file)), ttl };
}

/** A duration as Go writes it, of one unit. */
function seconds(text: string): number {
  const [, count, unit] = /^(\d+)(s|m|h)$/.exec(text) ?? [];
  if (count === undefined) throw new Error(`ttl=${text} is no duration such as 30s, 5m or 1h`);
  return Number(count) * (unit === "s" ? 1 : unit === "m" ? 60 : 3600);
}
