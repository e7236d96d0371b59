/**
 * Certificates to try TLS with: an authority, and leaves it signs. X.509 version 3 (RFC 5280) with ECDSA on P-256,
 * written as DER by hand, since Node can sign and verify but not issue. For tests and demonstrations: keys lie about
 * unencrypted, and nothing is ever revoked.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  /** A certificate for `commonName`; as a server it is valid at `hosts`, which are names and IP addresses. */
  issue(commonName: string, hosts: readonly string[]): Certificate;
}

const DAY_MS = 86_400_000;

/** Valid for `days` from now. */
export function createAuthority(commonName: string, days: number): Authority {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = { name: nameOf(commonName), key: own.privateKey, keyId: keyId(own.publicKey) };
  const ca = certificate(commonName, own.publicKey, issuer, days, [
    extension(OID.basicConstraints, true, sequence(boolean(true))),
    // keyCertSign, cRLSign
    extension(OID.keyUsage, true, tlv(0x03, [1, 0b0000_0110])),
  ]);
  return {
    cert: ca,
    key: pem("PRIVATE KEY", own.privateKey.export({ type: "pkcs8", format: "der" })),
    issue: (subject, hosts) => {
      const leaf = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const extensions = [
        extension(OID.basicConstraints, true, sequence()),
        // digitalSignature
        extension(OID.keyUsage, true, tlv(0x03, [7, 0b1000_0000])),
        extension(OID.extendedKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
      ];
      if (hosts.length > 0)
        extensions.push(extension(OID.subjectAltName, false, sequence(...hosts.map(alternativeName))));
      return {
        cert: certificate(subject, leaf.publicKey, issuer, days, extensions),
        key: pem("PRIVATE KEY", leaf.privateKey.export({ type: "pkcs8", format: "der" })),
      };
    },
  };
}

interface Issuer {
  readonly name: Buffer;
  readonly key: KeyObject;
  readonly keyId: Buffer;
}

function certificate(
  subject: string,
  key: KeyObject,
  issuer: Issuer,
  days: number,
  extensions: readonly Buffer[],
): string {
  const now = Date.now();
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const all = [
    ...extensions,
    extension(OID.subjectKeyIdentifier, false, tlv(0x04, keyId(key))),
    extension(OID.authorityKeyIdentifier, false, sequence(tlv(0x80, issuer.keyId))),
  ];
  const body = sequence(
    tlv(0xa0, integer([2])),
    // Positive, and unpredictable enough.
    integer([0x40 | ((randomBytes(1)[0] as number) & 0x3f), ...randomBytes(15)]),
    algorithm,
    issuer.name,
    // An hour back, for clocks that differ.
    sequence(time(now - 3_600_000), time(now + days * DAY_MS)),
    nameOf(subject),
    key.export({ type: "spki", format: "der" }),
    tlv(0xa3, sequence(...all)),
  );
  const signature = sign("sha256", body, issuer.key);
  return pem("CERTIFICATE", sequence(body, algorithm, tlv(0x03, [0, ...signature])));
}

const OID = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

function nameOf(commonName: string): Buffer {
  return sequence(tlv(0x31, sequence(oid(OID.commonName), tlv(0x0c, Buffer.from(commonName)))));
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha1")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
}

function alternativeName(host: string): Buffer {
  if (isIP(host) === 0) return tlv(0x82, Buffer.from(host));
  return tlv(0x87, isIP(host) === 4 ? Buffer.from(host.split(".").map(Number)) : ipv6(host));
}

function ipv6(address: string): Buffer {
  const groups = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const [head = "", tail] = address.split("::");
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const middle = Array.from({ length: 8 - before.length - after.length }, () => 0);
  return Buffer.from([...before, ...middle, ...after].flatMap((group) => [group >> 8, group & 255]));
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), tlv(0x04, value));
}

/** Tag, length, value. */
function tlv(tag: number, value: Uint8Array | readonly number[]): Buffer {
  const bytes = Buffer.from(value);
  const { length } = bytes;
  const lengthBytes =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...lengthBytes]), bytes]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tlv(0x30, Buffer.concat(parts));
}

function integer(bytes: readonly number[]): Buffer {
  return tlv(0x02, bytes);
}

function boolean(value: boolean): Buffer {
  return tlv(0x01, [value ? 0xff : 0]);
}

function oid(id: string): Buffer {
  const [first, second, ...rest] = id.split(".").map(Number) as [number, number, ...number[]];
  const bytes = [first * 40 + second];
  for (const number of rest) {
    const digits = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) digits.unshift(0x80 | (left & 0x7f));
    bytes.push(...digits);
  }
  return tlv(0x06, bytes);
}

/** To the second. RFC 5280, 4.1.2.5: two-digit years until 2049, four digits from then on. */
function time(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return text < "2050" ? tlv(0x17, Buffer.from(`${text.slice(2)}Z`)) : tlv(0x18, Buffer.from(`${text}Z`));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
